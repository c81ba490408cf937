"""The room of call records: the switch's own files about each leg, read from their folder and told as facts."""

"""The audit log: who changed or looked at what, and when; chained, shown, taken away as a file."""

"""The agent beside each switch, and the only speaker of the FreeSWITCH Event Socket (ESL)."""

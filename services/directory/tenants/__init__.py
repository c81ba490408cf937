"""The clients' files: read, checked, planned, edited, written, taken back; and which switch works with which."""

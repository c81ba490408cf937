"""How the house stands: which processes run, what waits, what was put aside; for the operator who runs it."""

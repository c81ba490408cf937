"""Whoever is not the switch: who they are, how they act, and a day's traffic of them."""

"""The story of each call: one row per call, one line per step, filled from every service's facts."""

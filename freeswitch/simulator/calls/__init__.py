"""Legs and what they do with each other, from their birth to their last event."""

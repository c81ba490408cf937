"""Credentials of phones, what a phone is given to set itself up with, and which phones are registered."""

"""A client's phone book: people outside, with their numbers, whose names stand beside incoming calls."""

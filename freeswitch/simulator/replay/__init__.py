"""A captured trace, played to whatever agent connects."""

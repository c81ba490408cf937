"""Number stock: which numbers the operator has, whose each is, since when, and which are suspended."""

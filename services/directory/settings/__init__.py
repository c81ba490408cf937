"""The pages on which a client company changes its own file: in its words, tried before, taken back in one step."""

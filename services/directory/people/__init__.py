"""People who may log in, with all that is theirs: passwords, second factors, tokens of programs, and their pages."""

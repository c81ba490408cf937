"""What a call would meet that nobody makes: asked by a command and on a page (R33)."""

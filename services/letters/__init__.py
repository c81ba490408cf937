"""Dead letters in the hands of people: what is shown of them, what may be mended, who did what."""

"""Recording: alone decides which conversations are recorded, and catalogues every file a switch writes."""

"""Speed as ratios: ours against a named peer, both measured in one run on one machine (`make bench`).

Enters: nothing, or the address of a real switch. Leaves: a table for people, then one JSON line per bar.
No test has a limit of time from here.
"""

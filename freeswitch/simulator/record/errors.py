"""What keeps the recorder from its work: a sentence for the person who started it.

Enters: nothing. Leaves: one exception. It is raised by taps.py, relay.py and folder.py, and shown by command.py.
"""


class CannotRecord(Exception):
    """The switch, the port or the folder does not allow it; the text says which and why."""

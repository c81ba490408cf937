"""The shared language of all processes: values, messages, tenants, envelope and topics.

Enters: nothing. Leaves: frozen values and pure functions. Standard library, msgspec and marshmallow only; no I/O.
"""

"""Connectors: what clients' own systems are told of their calls.

Enters: CallEnded and the clients' webhooks. Leaves: one signed request per call and endpoint.
"""

"""The Event Socket as the real switch serves it: bytes, subscriptions, clients, the server."""

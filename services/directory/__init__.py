"""Tenants and people: the only writer of the tenant files, and the only one who knows passwords."""

"""Billing: every answered leg is charged exactly once, by a dated price, and every figure can be derived again.

Enters: LegEnded, tenants, the platform's price tables. Leaves: an append-only ledger and LegCharged.
"""

"""Answering: owns every queue; keeps waiting callers until a person of the pool is free."""

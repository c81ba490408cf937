"""Fixtures that every kind of test may ask for."""

from tests.rabbitmq import broker

__all__ = ["broker"]

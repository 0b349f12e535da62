"""Bedplate: a project generator whose every output is built, run and drained before it is offered."""

__version__ = "0.1.0"

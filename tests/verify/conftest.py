"""The user, a checkout of their own and the engine, for all tests of the verifier."""

from verify_user import checkout, engine, user

__all__ = ["checkout", "engine", "user"]

"""Verification: holds up every claim about an emitted project by building and running it."""

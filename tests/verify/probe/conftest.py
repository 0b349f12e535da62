"""The faultless service, built once for all tests of the probe."""

from frail_images import workshop

__all__ = ["workshop"]

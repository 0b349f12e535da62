"""What is tried on what takes frames of devices in and gives their readings to an API."""

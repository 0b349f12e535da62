"""What the probes are made of: each module tries one part of what a project claims, from the outside."""

"""The work with keys of every kind: making, encrypting, signing."""

"""Proof of who did what: a Merkle log of security-relevant records."""

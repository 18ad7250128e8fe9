"""Starts the product and its peer, loads them in turn, and compares what they reach."""

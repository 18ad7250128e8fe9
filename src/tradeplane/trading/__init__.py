"""Accounts, orders, positions and the replayed market: the venue's rules."""

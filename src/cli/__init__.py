"""The ``tradeplane`` command."""

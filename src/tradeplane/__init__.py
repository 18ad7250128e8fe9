"""The core of Tradeplane: what the system knows, as pure, synchronous, deterministic Python."""

"""The steps. A released step never changes; a new one follows it."""

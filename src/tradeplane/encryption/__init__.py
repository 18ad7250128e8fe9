"""Keys with versions, what is encrypted under them, and fields that are bound to their row."""

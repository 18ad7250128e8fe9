"""Root keys, and the data keys that they wrap."""

"""What the edge can be asked, by subject."""

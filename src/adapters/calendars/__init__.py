"""Exchange calendars: which days trade, and from when to when."""

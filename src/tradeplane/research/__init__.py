"""Research: backtests by the venue's own rules, and what their results say."""

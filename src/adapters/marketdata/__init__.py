"""Sources of historical prices behind the MarketData port."""

"""The bodies of requests and answers, as Alpaca's clients know them."""

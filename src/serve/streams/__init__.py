"""WebSockets: order updates and market data, in the protocols of Alpaca's clients."""

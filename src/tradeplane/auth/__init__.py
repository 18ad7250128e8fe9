"""Who may do what: tenants, users, accounts and API keys."""

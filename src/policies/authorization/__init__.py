"""Who may do what: Cedar policies and the decisions made by them."""

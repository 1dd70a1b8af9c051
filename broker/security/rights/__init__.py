"""Who may do what: rules of access, what an API asks of them, and where that is enforced."""

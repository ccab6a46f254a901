"""Lead selections: search criteria, ids and action parameters."""

"""Loads and updates: rows of a source into the leads of a campaign."""

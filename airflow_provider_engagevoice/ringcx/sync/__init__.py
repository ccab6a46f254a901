"""Keeps a campaign in step with another system: plan, guards, apply."""

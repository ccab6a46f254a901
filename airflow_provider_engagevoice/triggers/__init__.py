"""Triggers: the waiting half of deferrable sensors. They only ever read."""

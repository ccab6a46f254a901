"""Authentication schemes and the shared token cache."""

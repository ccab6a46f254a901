"""Dashboard of the sandbox."""

"""Web dashboard of the sandbox."""

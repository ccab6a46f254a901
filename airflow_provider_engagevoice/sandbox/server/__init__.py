"""Server process and control API of the sandbox."""

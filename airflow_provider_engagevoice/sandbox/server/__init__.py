"""HTTP server and control API of the sandbox."""

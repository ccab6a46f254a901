"""HTTP layer between Starlette and the request handlers."""

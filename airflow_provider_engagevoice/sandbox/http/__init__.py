"""HTTP layer of the sandbox: requests, responses, errors and middleware."""

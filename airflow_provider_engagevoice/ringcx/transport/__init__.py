"""HTTP transport: sessions, retries and error mapping."""

"""The fixed words that sign in to a sandbox. They open nothing else."""

from __future__ import annotations

import hmac

CLIENT_ID = "sandbox-client"
CLIENT_SECRET = "sandbox-secret"
JWT = "sandbox-jwt"
PERMANENT_TOKEN = "sandbox-token"
USER_NAME = "sandbox-user"
PASSWORD = "sandbox-password"
PLATFORM_ID = "sandbox-platform"
USER_ID = 4410
FIRST_NAME, LAST_NAME = "Sandbox", "User"
EMAIL = "sandbox.user@example.com"


def same(given: str, expected: str) -> bool:
    """Compare two secrets in a time that does not tell how much of them agrees."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())

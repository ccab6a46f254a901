"""Fixed credentials that the sandbox accepts. They are public and valid nowhere else."""

from __future__ import annotations

import hmac
from collections.abc import Mapping

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


def equal_secrets(given: str, expected: str) -> bool:
    """Compare two secrets in constant time."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())


def has_user_credentials(form: Mapping[str, str]) -> bool:
    """Return whether a form holds the user's name and password."""
    right_name = equal_secrets(form.get("username", ""), USER_NAME)
    return equal_secrets(form.get("password", ""), PASSWORD) and right_name

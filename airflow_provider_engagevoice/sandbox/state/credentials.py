"""Fixed credentials that the sandbox accepts. They are public and valid nowhere else."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

from airflow_provider_engagevoice.sandbox.state import demo_data

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


AUTH_METHODS = ("ringcentral", "api_token", "engage", "legacy")
"""Authentication methods of an Airflow connection; the default one first."""


def airflow_connection(auth_method: str, url: str) -> dict[str, Any]:
    """Return an Airflow connection to a sandbox.

    :param auth_method: one of :data:`AUTH_METHODS`.
    :param url: base URL of the sandbox.
    :return: the connection as a dict for ``json.dumps``.
    :raises KeyError: if the auth method is unknown.
    """
    user = {"login": USER_NAME, "password": PASSWORD}
    methods: Mapping[str, tuple[dict[str, str], dict[str, str]]] = {
        "ringcentral": (
            {"login": CLIENT_ID, "password": CLIENT_SECRET},
            {"jwt_token": JWT, "rc_host": url},
        ),
        "api_token": ({"password": PERMANENT_TOKEN}, {}),
        "engage": (user, {"platform_id": PLATFORM_ID}),
        "legacy": (user, {}),
    }
    fields, extra = methods[auth_method]
    return {
        "conn_type": "engagevoice",
        "host": url,
        **fields,
        "extra": {"auth_method": auth_method, **extra, "account_id": demo_data.ACCOUNTS[0][0]},
    }

"""Panel of the dashboard that shows how to connect Airflow, for each authentication method."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass

from airflow_provider_engagevoice.sandbox.state.credentials import AUTH_METHODS, airflow_connection

CONNECTION_ID = "engagevoice_default"
"""Id of the connection that is shown, the default of the operators."""

LABELS = {
    "host": "RingCX host",
    "login": "Client id or user",
    "password": "Secret or token",
    "auth_method": "Authentication method",
    "jwt_token": "JWT",
    "account_id": "Sub-account id",
    "rc_host": "RingCentral host",
    "platform_id": "Platform id",
}
"""Labels of Airflow's connection form, by field."""

_TITLES = {
    "ringcentral": "RingCentral JWT (default)",
    "api_token": "Permanent API token",
    "engage": "RingCX user",
    "legacy": "Legacy portal",
}


@dataclass(frozen=True)
class ConnectionExample:
    """A connection to this sandbox in all forms that Airflow accepts.

    :param method: its authentication method.
    :param title: its heading.
    :param commands: label and shell command of each way to define it.
    :param fields: label and value of each field of the connection form.
    """

    method: str
    title: str
    commands: list[tuple[str, str]]
    fields: list[tuple[str, str]]


def connection_examples(address: str) -> list[ConnectionExample]:
    """Return an example for each authentication method.

    :param address: base URL of the sandbox.
    """
    return [_example(method, address) for method in AUTH_METHODS]


def _example(method: str, address: str) -> ConnectionExample:
    """Return the example of one authentication method."""
    connection = airflow_connection(method, address)
    text = shlex.quote(json.dumps(connection))
    values = {**connection, **connection["extra"]}
    return ConnectionExample(
        method,
        _TITLES[method],
        [
            ("Environment variable", f"export AIRFLOW_CONN_{CONNECTION_ID.upper()}={text}"),
            ("Command line", f"airflow connections add {CONNECTION_ID} --conn-json {text}"),
        ],
        [
            ("Connection ID", CONNECTION_ID),
            ("Connection Type", "RingCX (Engage Voice)"),
            *((label, values[name]) for name, label in LABELS.items() if name in values),
        ],
    )

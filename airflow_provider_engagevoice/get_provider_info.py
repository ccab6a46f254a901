"""What Airflow reads of the provider at start-up. Imports nothing."""

from __future__ import annotations

from typing import Any

CONNECTION_TYPE = "engagevoice"
HOOK_NAME = "RingCX (Engage Voice)"

AUTH_METHODS = ("ringcentral", "api_token", "engage", "legacy")

#: The extras that the connection form offers. The one source of both forms: Airflow 3.2 and newer
#: read ``conn-fields`` below, older versions ask the hook, which builds its widgets from this.
EXTRA_FIELDS: dict[str, dict[str, Any]] = {
    "auth_method": {
        "label": "Sign-in",
        "description": "ringcentral (default), api_token, engage or legacy",
        "schema": {"type": ["string", "null"], "enum": [*AUTH_METHODS, None]},
    },
    "jwt_token": {
        "label": "JWT",
        "description": "ringcentral only: JWT credential of the RingCentral user",
        "schema": {"type": ["string", "null"], "format": "password"},
    },
    "rc_host": {
        "label": "RingCentral host",
        "description": "ringcentral only; default https://platform.ringcentral.com",
        "schema": {"type": ["string", "null"]},
    },
    "platform_id": {
        "label": "Platform id",
        "description": "engage only: platform the user belongs to",
        "schema": {"type": ["string", "null"]},
    },
    "account_id": {
        "label": "Sub-account id",
        "description": "Sub-account that tasks use where they name none",
        "schema": {"type": ["string", "null"]},
    },
    "timeout": {
        "label": "Timeout (seconds)",
        "description": "Longest wait for an answer; default 60",
        "schema": {"type": ["integer", "null"]},
    },
}

HIDDEN_FIELDS = ("schema",)

RELABELING = {
    "host": "RingCX host",
    "login": "Client id or user name",
    "password": "Client secret, API token or password",
}

PLACEHOLDERS = {
    "host": "ringcx.ringcentral.com",
    "login": "client id (ringcentral), user name (engage, legacy), empty (api_token)",
    "password": "client secret (ringcentral), token (api_token), password (engage, legacy)",
}


def get_provider_info() -> dict[str, Any]:
    """Describe the provider to Airflow.

    :return: Airflow's provider-info dictionary.
    """
    package = "airflow_provider_engagevoice"
    integration = "RingCentral RingCX"
    return {
        "package-name": "airflow-provider-engagevoice",
        "name": "RingCentral RingCX",
        "description": "Lead actions of RingCentral RingCX (formerly Engage Voice).",
        "integrations": [
            {
                "integration-name": integration,
                "external-doc-url": "https://developers.ringcentral.com/engage/voice/guide",
                "tags": ["service"],
            }
        ],
        "connection-types": [
            {
                "connection-type": CONNECTION_TYPE,
                "hook-class-name": f"{package}.hooks.engagevoice.EngageVoiceHook",
                "hook-name": HOOK_NAME,
                "ui-field-behaviour": {
                    "hidden-fields": list(HIDDEN_FIELDS),
                    "relabeling": dict(RELABELING),
                    "placeholders": dict(PLACEHOLDERS),
                },
                "conn-fields": EXTRA_FIELDS,
            }
        ],
        "hooks": [{"integration-name": integration, "python-modules": [f"{package}.hooks.engagevoice"]}],
        "operators": [{"integration-name": integration, "python-modules": [f"{package}.operators.leads"]}],
        "sensors": [{"integration-name": integration, "python-modules": [f"{package}.sensors.campaigns"]}],
        "triggers": [{"integration-name": integration, "python-modules": [f"{package}.triggers.campaigns"]}],
    }

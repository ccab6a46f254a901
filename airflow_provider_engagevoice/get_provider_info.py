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
        "description": "ringcentral (default), api_token, engage or legacy: what to enter as user and secret",
        "schema": {
            "type": ["string", "null"],
            "enum": [*AUTH_METHODS],
            "default": AUTH_METHODS[0],
            "values_display": {
                "ringcentral": "ringcentral: JWT of a RingCentral user",
                "api_token": "api_token: permanent RingCX API token",
                "engage": "engage: user name and password of RingCX",
                "legacy": "legacy: user name and password of a legacy portal",
            },
        },
    },
    "jwt_token": {
        "label": "JWT",
        "description": "Sign-in ringcentral: JWT credential of the RingCentral user",
        "schema": {"type": ["string", "null"], "format": "password"},
    },
    "account_id": {
        "label": "Sub-account id",
        "description": "Sub-account that tasks use where they name none; empty if there is but one",
        "schema": {"type": ["string", "null"]},
    },
    "rc_host": {
        "label": "RingCentral host",
        "description": "Sign-in ringcentral: default https://platform.ringcentral.com",
        "schema": {"type": ["string", "null"]},
    },
    "platform_id": {
        "label": "Platform id",
        "description": "Sign-in engage: platform the user belongs to",
        "schema": {"type": ["string", "null"]},
    },
    "timeout": {
        "label": "Timeout (seconds)",
        "description": "Longest wait for an answer; default 60",
        "schema": {"type": ["integer", "null"], "minimum": 1, "maximum": 3600},
    },
    "rate_limit_store": {
        "label": "Store for limits and tokens",
        "description": "host (default): this host only; redis://host:6379/0: all hosts; process: not shared",
        "schema": {"type": ["string", "null"], "format": "password"},
    },
    "rate_limit_password": {
        "label": "Password of the store",
        "description": "Of the Redis server, if it has one",
        "schema": {"type": ["string", "null"], "format": "password"},
    },
    "limit_timeout": {
        "label": "Wait for limits (seconds)",
        "description": "Longest wait of a request for its turn within RingCX's limits; default 900",
        "schema": {"type": ["integer", "null"], "minimum": 0, "maximum": 86400},
    },
    "limit_pad": {
        "label": "Margin of limits (seconds)",
        "description": "Added to each of RingCX's time windows, for delays on the way; default 0.5",
        "schema": {"type": ["number", "null"], "minimum": 0, "maximum": 60},
    },
}

HIDDEN_FIELDS = ("schema",)

RELABELING = {
    "host": "RingCX host",
    "login": "Client id or user",
    "password": "Secret or token",
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

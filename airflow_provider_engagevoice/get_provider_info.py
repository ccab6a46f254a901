"""Provider metadata and connection form, read by Airflow at startup. Must not import other modules."""

from __future__ import annotations

from typing import Any

CONNECTION_TYPE = "engagevoice"
HOOK_NAME = "RingCX (Engage Voice)"

AUTH_METHODS = ("ringcentral", "api_token", "engage", "legacy")

#: Extra fields of the connection form. Airflow 3.2 and newer read them from ``conn-fields`` below; older
#: versions call the hook, which builds its widgets from them.
EXTRA_FIELDS: dict[str, dict[str, Any]] = {
    "auth_method": {
        "label": "Authentication method",
        "description": "ringcentral (default), api_token, engage or legacy; sets what user and secret mean",
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
        "description": "For ringcentral: JWT credential of the RingCentral user",
        "schema": {"type": ["string", "null"], "format": "password"},
    },
    "account_id": {
        "label": "Sub-account id",
        "description": "Default sub-account of tasks; may be empty if the user has only one",
        "schema": {"type": ["string", "null"]},
    },
    "rc_host": {
        "label": "RingCentral host",
        "description": "For ringcentral; default https://platform.ringcentral.com",
        "schema": {"type": ["string", "null"]},
    },
    "platform_id": {
        "label": "Platform id",
        "description": "For engage: platform that the user belongs to",
        "schema": {"type": ["string", "null"]},
    },
    "timeout": {
        "label": "Timeout (seconds)",
        "description": "Longest time for one whole response; default 60",
        "schema": {"type": ["integer", "null"], "minimum": 1, "maximum": 3600},
    },
    "rate_limit_store": {
        "label": "Store for rate limits and tokens",
        "description": "host (default): this host; file:/folder: the same, in that folder; "
        "redis://host:6379/0: all hosts; process: not shared",
        "schema": {"type": ["string", "null"], "format": "password"},
    },
    "rate_limit_password": {
        "label": "Store password",
        "description": "Password of the Redis server, if it has one",
        "schema": {"type": ["string", "null"], "format": "password"},
    },
    "limit_timeout": {
        "label": "Rate limit wait (seconds)",
        "description": "Longest wait of a request for a free slot in RingCX's rate limits; default 900",
        "schema": {"type": ["integer", "null"], "minimum": 0, "maximum": 86400},
    },
    "limit_pad": {
        "label": "Rate limit margin (seconds)",
        "description": "Added to each of RingCX's time windows, to allow for network delays; default 0.5",
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
    """Return the provider's metadata.

    :return: Airflow's provider-info dictionary.
    """
    package = "airflow_provider_engagevoice"
    integration = "RingCentral RingCX"
    return {
        "package-name": "airflow-provider-engagevoice",
        "name": "RingCentral RingCX",
        "description": "Loads, exports and lead actions of RingCentral RingCX (formerly Engage Voice).",
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
        "operators": [
            {
                "integration-name": integration,
                "python-modules": [
                    f"{package}.operators.export",
                    f"{package}.operators.leads",
                    f"{package}.operators.load",
                    f"{package}.operators.sync",
                ],
            }
        ],
        "sensors": [
            {
                "integration-name": integration,
                "python-modules": [f"{package}.sensors.campaigns", f"{package}.sensors.leads"],
            }
        ],
        "transfers": [
            {
                "source-integration-name": "Common SQL",
                "target-integration-name": integration,
                "python-module": f"{package}.transfers.sql_to_engagevoice",
            }
        ],
        "triggers": [
            {
                "integration-name": integration,
                "python-modules": [f"{package}.triggers.campaigns", f"{package}.triggers.leads"],
            }
        ],
    }

"""Tests of the connection form: the same fields on every Airflow version, and secrets as passwords."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import airflow
import pytest
from airflow.version import version

from airflow_provider_engagevoice.get_provider_info import get_provider_info
from airflow_provider_engagevoice.hooks.engagevoice import EngageVoiceHook

pytestmark = pytest.mark.usefixtures("clock", "isolated_store")

INFO = get_provider_info()
(CONNECTION_TYPE,) = INFO["connection-types"]
FIELDS = CONNECTION_TYPE["conn-fields"]
#: Fields that may contain a secret. The URL of the store may contain the password of Redis.
SECRET_FIELDS = {"jwt_token", "rate_limit_store", "rate_limit_password"}
#: Fields that Airflow masks because of their names; the hook masks the others when it reads them.
MASKED_BY_NAME = {"jwt_token", "rate_limit_password"}

#: Airflow 3 builds the form in the browser, from the provider info; only Airflow 2 uses the widgets.
needs_widgets = pytest.mark.skipif(not version.startswith("2."), reason="Airflow 2 only")


def read_schema(name: str) -> dict[str, Any]:
    """Return a schema that this version of Airflow contains; skip the test if it contains none."""
    path = Path(airflow.__file__).parent / name
    if not path.exists():
        pytest.skip(f"this version of Airflow contains no {name}")
    schema: dict[str, Any] = json.loads(path.read_text())
    return schema


def validate(value: object, schema: dict[str, Any]) -> None:
    import jsonschema

    jsonschema.validate(value, schema)


@needs_widgets
def test_form_widgets_match_provider_info() -> None:
    widgets = EngageVoiceHook.get_connection_form_widgets()
    assert list(widgets) == list(FIELDS)
    for name, field in widgets.items():
        assert field.args == (FIELDS[name]["label"],)
        assert field.kwargs["description"] == FIELDS[name]["description"]


@needs_widgets
def test_form_widgets_of_secrets_are_password_fields() -> None:
    from flask_appbuilder.fieldwidgets import BS3PasswordFieldWidget
    from wtforms import PasswordField

    widgets = EngageVoiceHook.get_connection_form_widgets()
    by_class = {name for name, field in widgets.items() if field.field_class is PasswordField}
    by_widget = {
        name for name, field in widgets.items() if isinstance(field.kwargs["widget"], BS3PasswordFieldWidget)
    }
    assert by_class == by_widget == SECRET_FIELDS


@needs_widgets
def test_form_widgets_can_be_rendered_and_left_empty() -> None:
    from wtforms import Form

    form_class = type("ConnectionForm", (Form,), EngageVoiceHook.get_connection_form_widgets())
    form = form_class()
    assert form.validate(), form.errors
    assert [field.short_name for field in form] == list(FIELDS)
    assert 'type="password"' in form.jwt_token()
    assert form_class(data={"timeout": 5}).timeout.data == 5


def test_provider_info_secrets_are_password_fields() -> None:
    assert {
        name for name, field in FIELDS.items() if field["schema"].get("format") == "password"
    } == SECRET_FIELDS


def test_airflow_masks_secret_extras_by_name() -> None:
    try:
        from airflow.sdk.execution_time.secrets_masker import should_hide_value_for_key
    except ImportError:
        try:
            from airflow.sdk._shared.secrets_masker import should_hide_value_for_key
        except ImportError:
            from airflow.utils.log.secrets_masker import should_hide_value_for_key
    assert {name for name in FIELDS if should_hide_value_for_key(name)} == MASKED_BY_NAME


def test_provider_info_every_extra_is_optional() -> None:
    assert all("null" in field["schema"]["type"] for field in FIELDS.values())


def test_provider_info_matches_airflow_schema() -> None:
    validate(INFO, read_schema("provider_info.schema.json"))


def test_connection_type_matches_airflow_schema() -> None:
    schema = read_schema("provider.yaml.schema.json")
    validate(INFO["connection-types"], schema["properties"]["connection-types"])


def test_ui_field_behaviour_matches_schema_and_provider_info() -> None:
    behaviour = EngageVoiceHook.get_ui_field_behaviour()
    validate(behaviour, read_schema("customized_form_field_behaviours.schema.json"))
    declared = CONNECTION_TYPE["ui-field-behaviour"]
    assert {name.replace("-", "_"): value for name, value in declared.items()} == behaviour


def test_provider_info_names_importable_modules() -> None:
    from importlib import import_module

    for kind in ("hooks", "operators", "sensors", "triggers"):
        for entry in INFO[kind]:
            for module in entry["python-modules"]:
                assert import_module(module)
    module, _, name = CONNECTION_TYPE["hook-class-name"].rpartition(".")
    assert getattr(import_module(module), name) is EngageVoiceHook
    assert EngageVoiceHook.conn_type == CONNECTION_TYPE["connection-type"]
    assert EngageVoiceHook.hook_name == CONNECTION_TYPE["hook-name"]

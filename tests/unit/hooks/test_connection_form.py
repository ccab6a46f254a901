"""The connection form: the same fields on every Airflow, and no secret in plain sight."""

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
#: Fields that may hold a secret. The store's address does where Redis has a password.
SECRET = {"jwt_token", "rate_limit_store", "rate_limit_password"}
#: Airflow itself knows only those whose names say it; the hook masks the others when it reads them.
SECRET_BY_NAME = {"jwt_token", "rate_limit_password"}

#: Airflow 3 builds its form in the browser, from the provider info; only Airflow 2 asks for widgets.
with_widgets = pytest.mark.skipif(not version.startswith("2."), reason="Airflow 2 only")


def schema_of(name: str) -> dict[str, Any]:
    """Read a schema that this Airflow ships."""
    path = Path(airflow.__file__).parent / name
    if not path.exists():
        pytest.skip(f"this Airflow ships no {name}")
    schema: dict[str, Any] = json.loads(path.read_text())
    return schema


def validate(value: object, schema: dict[str, Any]) -> None:
    import jsonschema

    jsonschema.validate(value, schema)


@with_widgets
def test_both_forms_have_the_same_fields() -> None:
    widgets = EngageVoiceHook.get_connection_form_widgets()
    assert list(widgets) == list(FIELDS)
    shown = {name: (field.args, field.kwargs) for name, field in widgets.items()}
    for name, (args, kwargs) in shown.items():
        assert args == (FIELDS[name]["label"],)
        assert kwargs["description"] == FIELDS[name]["description"]


@with_widgets
def test_secret_fields_are_password_fields_before_airflow_3() -> None:
    from flask_appbuilder.fieldwidgets import BS3PasswordFieldWidget
    from wtforms import PasswordField

    widgets = EngageVoiceHook.get_connection_form_widgets()
    by_class = {name for name, field in widgets.items() if field.field_class is PasswordField}
    by_widget = {
        name for name, field in widgets.items() if isinstance(field.kwargs["widget"], BS3PasswordFieldWidget)
    }
    assert by_class == by_widget == SECRET


@with_widgets
def test_the_form_can_be_shown_and_left_empty() -> None:
    from wtforms import Form

    form_class = type("ConnectionForm", (Form,), EngageVoiceHook.get_connection_form_widgets())
    form = form_class()
    assert form.validate(), form.errors
    assert [field.short_name for field in form] == list(FIELDS)
    assert 'type="password"' in form.jwt_token()
    assert form_class(data={"timeout": 5}).timeout.data == 5


def test_secret_fields_are_password_fields_from_airflow_3_on() -> None:
    assert {name for name, field in FIELDS.items() if field["schema"].get("format") == "password"} == SECRET


def test_airflow_masks_the_secret_extras_by_their_name() -> None:
    try:
        from airflow.sdk.execution_time.secrets_masker import should_hide_value_for_key
    except ImportError:
        try:
            from airflow.sdk._shared.secrets_masker import should_hide_value_for_key
        except ImportError:
            from airflow.utils.log.secrets_masker import should_hide_value_for_key
    assert {name for name in FIELDS if should_hide_value_for_key(name)} == SECRET_BY_NAME


def test_every_extra_of_the_form_may_be_left_out() -> None:
    assert all("null" in field["schema"]["type"] for field in FIELDS.values())


def test_provider_info_is_what_airflow_expects() -> None:
    validate(INFO, schema_of("provider_info.schema.json"))


def test_the_connection_type_is_what_airflow_expects() -> None:
    schema = schema_of("provider.yaml.schema.json")
    validate(INFO["connection-types"], schema["properties"]["connection-types"])


def test_the_labels_are_what_airflow_expects_and_the_same_on_both() -> None:
    behaviour = EngageVoiceHook.get_ui_field_behaviour()
    validate(behaviour, schema_of("customized_form_field_behaviours.schema.json"))
    described = CONNECTION_TYPE["ui-field-behaviour"]
    assert {name.replace("-", "_"): value for name, value in described.items()} == behaviour


def test_all_that_provider_info_names_can_be_imported() -> None:
    from importlib import import_module

    for kind in ("hooks", "operators", "sensors", "triggers"):
        for entry in INFO[kind]:
            for module in entry["python-modules"]:
                assert import_module(module)
    module, _, name = CONNECTION_TYPE["hook-class-name"].rpartition(".")
    assert getattr(import_module(module), name) is EngageVoiceHook
    assert EngageVoiceHook.conn_type == CONNECTION_TYPE["connection-type"]
    assert EngageVoiceHook.hook_name == CONNECTION_TYPE["hook-name"]

"""Fixtures of the admin tests."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.support.admin import send

Row = dict[str, Any]


@pytest.fixture
def group(api: Any) -> Row:
    """Return a new dial group."""
    response = send(api, "POST", "dialGroups", {"dialGroupName": "Trial"})
    assert response.status_code == 201
    created: Row = response.json()
    return created

"""Tests of opening stores by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.storage.registry import open_store
from tests.support.stores import check_store


@pytest.mark.parametrize("kind", ["file", "host", "process", "redis"])
def test_open_store_each_kind_works(kind: str, tmp_path: Path, request: Any) -> None:
    name = {"file": f"file:{tmp_path}/ours", "redis": ""}.get(kind, kind)
    check_store(open_store(name or request.getfixturevalue("redis").url))


@pytest.mark.parametrize("written", ["file:{}/ours", "file://{}/ours", "file:{}//ours"])
def test_open_store_folder_accepts_each_notation(tmp_path: Path, written: str) -> None:
    check_store(open_store(written.format(tmp_path)))
    assert (tmp_path / "ours").is_dir()

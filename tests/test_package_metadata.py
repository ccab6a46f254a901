"""Metadata of the installed package, as package indexes and Airflow show it."""

from __future__ import annotations

import re
from importlib.metadata import PackageMetadata, PackageNotFoundError, metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def package() -> PackageMetadata:
    try:
        return metadata("airflow-provider-engagevoice")
    except PackageNotFoundError:
        pytest.skip("needs the installed package: pip install -e .")


@pytest.fixture(scope="module")
def urls(package: PackageMetadata) -> dict[str, str]:
    entries = [entry.partition(", ") for entry in package.get_all("Project-URL") or []]
    return {name: url for name, _, url in entries}


def test_project_urls_name_the_pages_that_airflow_links(urls: dict[str, str]) -> None:
    """Airflow's list of providers links to the URL named Documentation."""
    assert set(urls) == {"Documentation", "Source", "Changelog", "Issues"}
    assert all(url.startswith(urls["Source"]) for url in urls.values())


def test_maintainers_are_named(package: PackageMetadata) -> None:
    assert package["Maintainer"]


def test_long_description_has_absolute_links_to_existing_files(
    package: PackageMetadata, urls: dict[str, str]
) -> None:
    description = package.get("Description") or str(package.get_payload())  # type: ignore[attr-defined]
    targets = re.findall(r"\]\(([^)#]+)", description)
    assert len(targets) > 20
    assert [target for target in targets if "://" not in target] == []
    files = [
        target.removeprefix(f"{urls['Source']}/").split("/", 2)[2]
        for target in targets
        if target.startswith(f"{urls['Source']}/")
    ]
    assert len(files) > 20
    assert [file for file in files if not (ROOT / file).exists()] == []


def test_urls_of_the_documentation_lead_to_existing_files(urls: dict[str, str]) -> None:
    for name in ("Documentation", "Changelog"):
        assert (ROOT / urls[name].partition("/blob/main/")[2]).exists()

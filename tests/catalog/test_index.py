"""The catalogue: looking connectors up, and connectors of one's own."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest

from holdfast.catalog import Catalog, ManifestError
from holdfast.catalog.index import manifests
from holdfast.catalog.reading import read
from holdfast.errors import ConnectorNotFoundError, SettingsError

Write = Callable[..., Path]


@pytest.fixture(scope="module")
def shipped() -> Catalog:
    return Catalog.load()


def test_a_connector_is_found_by_unified_api_and_service(shipped: Catalog) -> None:
    """One service is one connector, whichever of its unified APIs is asked for."""
    assert shipped.get("crm", "pipedrive") is shipped.get("lead", "pipedrive")
    assert [c.id for c in shipped.all()].count("pipedrive") == 1


@pytest.mark.parametrize(
    ("unified_api", "service_id", "told"),
    [
        ("crm", "nowhere", "crm+nowhere"),
        ("accounting", "pipedrive", "accounting+pipedrive"),
        ("crm+pipedrive", "", "crm_pipedrive+"),
        ("crm", "x/../y\n<b>", "crm+x_.._y__b_"),
        ("c" * 500, "p" * 500, "c" * 64 + "+" + "p" * 64),
    ],
)
def test_what_is_not_there_is_told_in_a_short_plain_name(
    shipped: Catalog, unified_api: str, service_id: str, told: str
) -> None:
    """The error shows back what was asked for, without whatever a caller may have put into it."""
    with pytest.raises(ConnectorNotFoundError) as raised:
        shipped.get(unified_api, service_id)

    assert raised.value.detail == {"not_found": {"entity": "connector", "id": told}}


def test_connectors_come_in_the_order_of_their_ids(shipped: Catalog) -> None:
    """Lists read the same on every machine."""
    ids = [connector.id for connector in shipped.all()]

    assert ids == sorted(ids)
    assert len(ids) >= 25


def test_a_connector_of_ones_own_is_not_a_shipped_one(write: Write) -> None:
    """It is found like any other, and known to come from elsewhere."""
    catalog = Catalog.load(write().parent.parent)

    assert catalog.get("crm", "acme").name == "Acme CRM"
    assert not catalog.is_shipped("acme")
    assert catalog.is_shipped("pipedrive")
    assert not catalog.is_shipped("nowhere")


def test_a_connector_of_ones_own_replaces_the_shipped_one(write: Write) -> None:
    """Whoever overrides a connector answers for it, so it no longer counts as shipped."""
    catalog = Catalog.load(write(("id: acme\n", "id: pipedrive\n"), folder="pipedrive").parent.parent)

    assert catalog.get("crm", "pipedrive").name == "Acme CRM"
    assert not catalog.is_shipped("pipedrive")
    with pytest.raises(ConnectorNotFoundError):
        catalog.get("lead", "pipedrive")


def test_a_later_directory_replaces_an_earlier_one(write: Write, tmp_path: Path) -> None:
    """The last word has who is named last."""
    first = write().parent.parent.rename(tmp_path / "first")
    second = write(("name: Acme CRM", "name: Acme Two")).parent.parent

    assert [c.name for c in Catalog.load(first, second).all() if c.id == "acme"] == ["Acme Two"]


def test_mistakes_of_all_files_are_told_together(write: Write) -> None:
    """A directory of manifests is repaired in one go, and nothing starts before it is."""
    write(("name: Acme CRM", "name: 7"))
    directory = write(("id: acme\n", "id: other\n"), folder="beta").parent.parent

    with pytest.raises(ManifestError) as raised:
        Catalog.load(directory)

    assert [(Path(p.file).parent.name, p.word) for p in raised.value.problems] == [("acme", "name"), ("beta", "id")]


def test_a_directory_that_is_not_there_is_told(tmp_path: Path) -> None:
    """A typing mistake in the settings does not silently leave connectors out."""
    with pytest.raises(SettingsError, match="There is no directory"):
        Catalog.load(tmp_path / "conectors")


def test_folders_without_a_manifest_are_passed_over(write: Write) -> None:
    """Other files may lie beside the connectors."""
    directory = write().parent.parent
    (directory / ".git").mkdir()
    (directory / "README.md").write_text("Our connectors.")

    assert "acme" in {connector.id for connector in Catalog.load(directory).all()}


def test_requests_may_go_to_the_hosts_of_the_manifest(write: Write) -> None:
    """Listed hosts, and those that URLs are bound to; the consent page is opened by the browser, not by us."""
    catalog = Catalog.load(write().parent.parent)
    connector = catalog.get("crm", "acme")

    assert catalog.allowed_hosts(connector) == ("login.acme.example.com", "*.acme.example.net")


def test_hosts_of_urls_are_allowed_as_far_as_they_are_fixed(shipped: Catalog) -> None:
    """A label that a setting gives is any label, and every call of the manifest counts."""
    assert shipped.allowed_hosts(shipped.get("ecommerce", "shopify-public-app")) == ("*.myshopify.com",)
    assert shipped.allowed_hosts(shipped.get("accounting", "xero")) == ("api.xero.com", "identity.xero.com")


def test_manifests_are_read_from_an_archive_too(tmp_path: Path) -> None:
    """Nothing needs the shipped manifests to lie in a directory of their own."""
    archive = tmp_path / "holdfast.zip"
    pipedrive = files("holdfast") / "connectors" / "pipedrive" / "connector.yaml"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("holdfast/connectors/pipedrive/connector.yaml", pipedrive.read_text())

    found = dict(manifests(zipfile.Path(archive, "holdfast/connectors/")))

    assert list(found) == ["pipedrive"]
    assert read(found["pipedrive"], "pipedrive", shipped=True).name == "Pipedrive"

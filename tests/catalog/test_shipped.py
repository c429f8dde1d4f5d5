"""What every shipped manifest must satisfy beyond being right: how it is drawn, and what it owes its readers."""

from __future__ import annotations

import pytest

from holdfast.catalog import Catalog
from holdfast.domain.manifest.connector import Connector

SHIPPED = Catalog.load().all()
# The types that every published client of the API draws in the connection's form.
DRAWN = {"text", "textarea", "select", "multi-select", "password"}


@pytest.fixture(params=SHIPPED, ids=lambda connector: connector.id)
def connector(request: pytest.FixtureRequest) -> Connector:
    assert isinstance(request.param, Connector)
    return request.param


def test_the_form_can_be_drawn_everywhere(connector: Connector) -> None:
    """A field of another type would be a label without an input in some clients."""
    shown = [setting for setting in connector.at("connection") if not setting.hidden]

    assert {setting.type for setting in shown} <= DRAWN


def test_what_is_secret_is_a_password(connector: Connector) -> None:
    """A key or a password is masked in every answer."""
    secret = [s for s in connector.settings if s.id in ("api_key", "client_secret", "password", "auth_token")]

    # A public half of a pair may be called a key; then the other half is the secret.
    public = {"vonage": {"api_key"}}.get(connector.id, set())
    assert all(setting.sensitive or setting.id in public for setting in secret)


def test_a_host_is_named_as_narrowly_as_the_service_allows(connector: Connector) -> None:
    """A wildcard stands for the tenants of one vendor, never for a hosting company."""
    wide = [host for host in connector.hosts if host.startswith("*.")]

    assert all(host.count(".") >= 2 for host in wide)
    assert not {"*.amazonaws.com", "*.azurewebsites.net", "*.herokuapp.com", "*.cloudfront.net"} & set(wide)


def test_the_reader_is_told_what_the_service_is(connector: Connector) -> None:
    """A list of connectors reads as a list of sentences of the same kind."""
    assert connector.tag_line is not None
    assert 10 <= len(connector.tag_line) <= 90
    assert not connector.tag_line.endswith(".")


def test_credentials_can_be_checked(connector: Connector) -> None:
    """Whoever types in a key learns whether it works."""
    if connector.auth.type != "none":
        assert connector.verify is not None


def test_a_rotating_provider_is_never_taken_for_a_patient_one(connector: Connector) -> None:
    """`none` is said only of providers whose refresh answers carry no refresh token; whoever is unknown is strict."""
    oauth = connector.auth.oauth
    patient = {"dropbox", "google-drive", "hubspot", "zoho-crm"}

    if oauth is not None and oauth.grant == "authorization_code" and connector.id not in patient:
        assert oauth.refresh.rotation != "none"

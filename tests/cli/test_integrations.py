"""`holdfast integrations`: an OAuth client for an application, whose secret stands in no argument and no answer."""

from __future__ import annotations

from pathlib import Path

import pytest
from executable import Holdfast, Result, Running, connections

MANIFEST = """\
schema: 1
id: freight-desk
name: Freight Desk
website: https://freight-desk.example.com/
status: live
unified_apis: {crm: {resources: {leads: [all]}}}
hosts: [api.freight-desk.example.com]
settings:
  - {id: partner_id, label: Partner ID, level: integration, required: true}
  - {id: partner_key, label: Partner key, type: password, level: integration, required: true}
auth:
  type: apiKey
request:
  base_url: https://api.freight-desk.example.com
  auth:
    - {name: X-Partner, value: "{app.partner_id}:{app.partner_key}"}
verified: {by: these tests, "on": "2026-11-23"}
"""
SECRET = "5ecret-of-the-0auth-client"


@pytest.fixture(scope="module")
def application(shared: Holdfast) -> dict[str, str]:
    return shared.application()


def set_up(
    holdfast: Holdfast, application: dict[str, str], *options: str, service: str = "pipedrive", input: str = ""
) -> Result:
    return holdfast.run(
        "integrations", "set", application["application_id"], "crm", service, *options, "--json", input=input
    )


@pytest.mark.parametrize("source", ["--client-secret-stdin", "--client-secret-file", "--client-secret-file -"])
def test_a_secret_comes_from_outside_the_arguments(shared: Holdfast, application: dict[str, str], source: str) -> None:
    """Standard input or a file gives the secret; it is neither printed nor readable in the database."""
    file = shared.directory / "client-secret"
    file.write_text(f"{SECRET}\n")
    options = [*source.split(), str(file)] if source == "--client-secret-file" else source.split()

    made = set_up(shared, application, "--client-id", "4f8a21", *options, input=f"{SECRET}\n")

    assert made.json["client_id"] == "4f8a21"
    assert made.json["has_client_secret"] is True
    assert made.json["integration_state"] == "configured"
    assert made.json["redirect_uri"] == "http://127.0.0.1:8000/vault/callback"
    assert SECRET not in made.out + made.err
    assert not [f.name for f in shared.data.iterdir() if SECRET.encode() in f.read_bytes()]


def test_there_is_no_option_for_a_secret_in_the_arguments(shared: Holdfast, application: dict[str, str]) -> None:
    """A secret that is given like any other option is refused as not understood."""
    refused = set_up(shared, application, "--client-id", "4f8a21", f"--client-secret={SECRET}")

    assert refused.status == 2


def test_what_is_not_given_stays(shared: Holdfast, application: dict[str, str]) -> None:
    """Switching an integration off, or naming its scopes, leaves its client alone."""
    set_up(shared, application, "--client-id", "4f8a21", "--client-secret-stdin", input=SECRET)

    disabled = set_up(shared, application, "--disable", "--scope", "deals:read", "--scope", "deals:full").json
    enabled = set_up(shared, application, "--enable", "--default-scopes").json

    assert (disabled["integration_state"], disabled["scopes"]) == ("disabled", ["deals:read", "deals:full"])
    assert (enabled["integration_state"], enabled["scopes"]) == ("configured", None)
    assert enabled["client_id"] == "4f8a21"


def test_an_integration_is_offered_to_customers(shared: Holdfast, server: Running) -> None:
    """Once it is set it is in the customer's list, and once it is removed it is not."""
    application = shared.application()
    place = (application["application_id"], "crm", "pipedrive")
    set_up(shared, application, "--client-id", "4f8a21", "--client-secret-stdin", input=SECRET)
    offered = connections(server.url, application).json()["data"]
    listed = shared.run("integrations", "list", place[0], "--json").json
    shown = shared.run("integrations", "show", *place)

    removed = shared.run("integrations", "remove", *place, "--yes")

    assert [(c["service_id"], c["state"]) for c in offered] == [("pipedrive", "available")]
    assert [i["service_id"] for i in listed] == ["pipedrive"]
    assert "http://127.0.0.1:8000/vault/callback" in shown.out
    assert "Register the redirect URI" in shown.err
    assert removed.status == 0
    assert shared.run("integrations", "list", place[0], "--json").json == []


@pytest.mark.parametrize(
    ("options", "input", "says"),
    [
        (["--client-id", "4f8a21", "--client-secret-stdin"], "", "Standard input holds no secret."),
        (["--client-secret-stdin", "--client-secret-file", "-"], SECRET, "more than one source"),
        (["--client-secret-stdin", "--setting", "partner_key=-"], SECRET, "Only one secret can come from"),
        (["--scope", "a", "--default-scopes"], "", "contradict each other"),
        (["--setting", "partner_id"], "", "write partner_id=VALUE"),
    ],
)
def test_what_was_not_understood_is_told(
    shared: Holdfast, application: dict[str, str], options: list[str], input: str, says: str
) -> None:
    """A combination that means nothing is refused with status 2 and changes nothing."""
    refused = set_up(shared, application, *options, input=input)

    assert refused.status == 2
    assert says in refused.err


@pytest.mark.parametrize(
    ("place", "says"),
    [
        (["4f8a", "crm", "pipedrive"], "There is no application 4f8a."),
        (["4f8a", "crm", "no-such-service"], "There is no connector crm+no-such-service."),
    ],
)
def test_what_does_not_exist_is_told(shared: Holdfast, place: list[str], says: str) -> None:
    """An unknown application or service is told by its name."""
    refused = shared.run("integrations", "set", *place, "--client-id", "4f8a21")

    assert (refused.status, refused.err) == (1, f"Error: {says}\n")


@pytest.fixture
def own(holdfast: Holdfast) -> Holdfast:
    """The command with a connector of one's own that asks the application for settings, one of them secret."""
    folder = holdfast.directory / "connectors" / "freight-desk"
    folder.mkdir(parents=True)
    (folder / "connector.yaml").write_text(MANIFEST)
    holdfast.settings["HOLDFAST_CONNECTORS_DIR"] = str(Path("connectors"))
    return holdfast


def test_settings_of_the_application(own: Holdfast) -> None:
    """A plain setting is an argument; a secret one comes from a file or standard input, and is told by its id only."""
    application = own.application()
    plain = set_up(own, application, "--setting", "partner_id=acme", service="freight-desk").json

    refused = set_up(own, application, "--setting", f"partner_key={SECRET}", service="freight-desk")
    given = set_up(own, application, "--setting", "partner_key=-", service="freight-desk", input=SECRET)
    cleared = set_up(own, application, "--setting", "partner_id=", service="freight-desk").json

    assert (plain["settings_set"], plain["integration_state"]) == (["partner_id"], "needs_configuration")
    assert refused.status == 2
    assert SECRET not in refused.err
    assert given.json["settings_set"] == ["partner_id", "partner_key"]
    assert given.json["integration_state"] == "configured"
    assert SECRET not in given.out + given.err
    assert cleared["settings_set"] == ["partner_key"]

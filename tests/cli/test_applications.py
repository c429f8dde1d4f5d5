"""`holdfast apps`: one JSON document, the same whether a server runs or not, and errors in one line."""

from __future__ import annotations

import httpx
import pytest
from executable import Holdfast, Running, connections

from holdfast.cli.output import counted


def test_a_key_works_in_a_server_that_is_started_later(holdfast: Holdfast) -> None:
    """An application made on an empty directory is known to the server that opens it."""
    made = holdfast.run("apps", "create", "--name", "Acme", "--json")

    running = holdfast.serve()
    assert made.err == ""
    assert set(made.json) == {"application_id", "api_key"}
    assert connections(running.url, made.json).json() == {"status_code": 200, "status": "OK", "data": []}


def test_a_key_works_in_a_server_that_is_running(shared: Holdfast, server: Running) -> None:
    """An application made beside a running server is known to it at once."""
    assert connections(server.url, shared.application()).status_code == 200


def test_a_key_is_for_its_reader_alone(shared: Holdfast) -> None:
    """Without --json the key stands on standard output, and standard error says that it is shown once."""
    made = shared.run("apps", "create", "--name", "Acme")

    assert [line.split()[0] for line in made.out.splitlines()] == ["application", "API"]
    assert made.err == "This is the only time that the key is shown.\n"


def test_an_application_is_changed_and_shown(shared: Holdfast) -> None:
    """What is given replaces what was there; what is not given stays."""
    id = shared.application()["application_id"]
    uris = ["https://app.example.com/integrations", "http://127.0.0.1:3000/return"]
    shared.run("apps", "update", id, "--redirect-uri", uris[0], "--redirect-uri", uris[1])

    changed = shared.run("apps", "update", id, "--confirmation", "always", "--json").json
    shown = shared.run("apps", "show", id)

    assert (changed["name"], changed["redirect_uris"], changed["confirmation"]) == ("Acme", uris, "always")
    assert all(uri in shown.out for uri in uris)
    assert id in [a["application_id"] for a in shared.run("apps", "list", "--json").json]


def test_redirect_uris_can_be_taken_away(shared: Holdfast) -> None:
    """--no-redirect-uris empties the list, and does not go together with a new one."""
    uri = ("--redirect-uri", "https://app.example.com/")
    id = shared.run("apps", "create", "--name", "Acme", *uri, "--json").json["application_id"]

    contradiction = shared.run("apps", "update", id, "--no-redirect-uris", *uri)
    emptied = shared.run("apps", "update", id, "--no-redirect-uris", "--json").json

    assert contradiction.status == 2
    assert emptied["redirect_uris"] == []


def test_a_deleted_application_opens_nothing(holdfast: Holdfast) -> None:
    """Deleting asks first; afterwards the key is refused and the application is gone."""
    application = holdfast.application()
    refused = holdfast.run("apps", "delete", application["application_id"], input="n\n")
    unanswered = holdfast.run("apps", "delete", application["application_id"])
    kept = holdfast.run("apps", "list", "--json").json

    holdfast.run("apps", "delete", application["application_id"], "--yes")

    running = holdfast.serve()
    assert (refused.status, unanswered.status, len(kept)) == (1, 1, 1)
    assert "(0 connections, 0 grants)" in refused.err + refused.out
    assert unanswered.err.endswith("Error: Nobody answered, so nothing was done. --yes says it without being asked.\n")
    assert connections(running.url, application).status_code == 401
    assert holdfast.run("apps", "list", "--json").json == []


def test_what_a_deletion_leaves_to_a_server_is_told(shared: Holdfast, server: Running) -> None:
    """A connection to an OAuth service may be getting its first token; without any, all is gone at once."""
    connected, bare = shared.application(), shared.application()
    shared.run("integrations", "set", connected["application_id"], "crm", "pipedrive", "--client-id", "4f8a21")
    headers = {
        "Authorization": f"Bearer {connected['api_key']}",
        "x-apideck-app-id": connected["application_id"],
        "x-apideck-consumer-id": "northwind-freight",
    }
    added = httpx.post(f"{server.url}/vault/connections/crm/pipedrive", json={}, headers=headers)

    told = [shared.run("apps", "delete", app["application_id"], "--yes").err for app in (connected, bare)]

    assert added.status_code == 200
    assert ["A running server ends its grants" in err for err in told] == [True, False]


@pytest.mark.parametrize(("number", "told"), [(0, "0 grants"), (1, "1 grant"), (2, "2 grants")])
def test_one_thing_is_not_several(number: int, told: str) -> None:
    """What is counted is spelled as people say it."""
    assert counted(number, "grant") == told


@pytest.mark.parametrize(
    "command",
    [
        ("apps", "keys", "delete", "no-such-app", "key-1"),
        ("integrations", "show", "no-such-app", "crm", "pipedrive"),
        ("integrations", "remove", "no-such-app", "crm", "pipedrive", "--yes"),
    ],
)
def test_an_application_that_is_missing_is_what_is_told(shared: Holdfast, command: tuple[str, ...]) -> None:
    """And not the key or the integration that it could not have."""
    refused = shared.run(*command)

    assert (refused.status, refused.err) == (1, "Error: There is no application no-such-app.\n")


def test_what_a_deletion_would_end_can_be_asked(shared: Holdfast) -> None:
    """--dry-run deletes nothing, and prints what the management API answers."""
    id = shared.application()["application_id"]

    told = shared.run("apps", "delete", id, "--dry-run", "--json")

    assert told.json == []
    assert shared.run("apps", "show", id, "--json").json["application_id"] == id


def test_keys_come_and_go(shared: Holdfast, server: Running) -> None:
    """A key has the scopes that were asked for, is listed without its text, and is refused once it is deleted."""
    application = shared.application()
    id = application["application_id"]

    made = shared.run("apps", "keys", "create", id, "--scope", "connections", "--json").json
    listed = shared.run("apps", "keys", "list", id).out
    with_key = connections(server.url, {**application, "api_key": made["api_key"]}).status_code
    shared.run("apps", "keys", "delete", id, made["id"])

    left = [key["id"] for key in shared.run("apps", "keys", "list", id, "--json").json]
    assert made["scopes"] == ["connections"]
    assert f"…{made['last_four']}" in listed
    assert made["api_key"] not in listed
    assert with_key == 200
    assert len(left) == 1
    assert made["id"] not in left


def test_a_key_that_reads_credentials_is_made(shared: Holdfast, server: Running) -> None:
    """It may read them and nothing else; the application's first key may do everything else and not that."""
    application = shared.application()
    made = shared.run("apps", "keys", "create", application["application_id"], "--scope", "credentials:read", "--json")
    reader = {**application, "api_key": made.json["api_key"]}
    path = "/crm/pipedrive/credentials"  # not set up, which only those are told who may read

    assert made.json["scopes"] == ["credentials:read"]
    assert [connections(server.url, key, path).status_code for key in (application, reader)] == [401, 404]
    assert connections(server.url, reader).status_code == 401


def test_a_key_can_be_bound(shared: Holdfast) -> None:
    """To consumers, services and single connections, which are shown as the management API spells them."""
    id = shared.application()["application_id"]
    to = ("--consumer", "u1", "--service", "crm+pipedrive", "--connection", "crm+pipedrive:u:1")

    made = shared.run("apps", "keys", "create", id, *to, "--json").json
    listed = shared.run("apps", "keys", "list", id)

    connection = {"consumer_id": "u:1", "unified_api": "crm", "service_id": "pipedrive"}
    assert made["bounds"] == {"consumers": ["u1"], "services": ["crm+pipedrive"], "connections": [connection]}
    assert "1 consumers, 1 services, 1 connections" in listed.out
    assert "everything" in listed.out


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["apps", "show", "4f8a"], 1, "Error: There is no application 4f8a."),
        (["apps", "keys", "list", "4f8a"], 1, "Error: There is no application 4f8a."),
        (["apps", "create", "--name", " "], 1, "Error: name is a printable text of at most 200 characters."),
        (["apps", "create", "--name", "A", "--redirect-uri", "http://evil.example/"], 1, "cannot be a redirect URI"),
        (["apps", "keys", "create", "4f8a", "--connection", "crm:u1"], 2, "write API+SERVICE:ID"),
        (["apps", "create"], 2, "Missing option '--name'"),
        (["apps", "create", "--name", "A", "--confirmation", "maybe"], 2, "'maybe' is not one of"),
        (["aps"], 2, "No such command 'aps'"),
    ],
)
def test_a_mistake_is_told_in_one_line(shared: Holdfast, arguments: list[str], status: int, says: str) -> None:
    """1 for what cannot be done, 2 for what was not understood; no traceback, and nothing on standard output."""
    failed = shared.run(*arguments)

    assert (failed.status, failed.out) == (status, "")
    assert says in failed.err.splitlines()[-1]


def test_a_failure_shows_where_it_comes_from_when_asked(shared: Holdfast) -> None:
    """--debug and the log level add the traceback that is left out otherwise."""
    by_option = shared.run("--debug", "apps", "show", "4f8a")
    by_level = shared.run("apps", "show", "4f8a", settings={"HOLDFAST_LOG_LEVEL": "debug"})

    assert (by_option.status, by_level.status) == (1, 1)
    assert "Traceback" in by_option.err
    assert "Traceback" in by_level.err


@pytest.mark.parametrize(
    "command",
    [(), ("serve",), ("demo",), ("apps",), ("apps", "create"), ("integrations",), ("connectors",), ("keys",)],
)
def test_every_command_explains_itself(shared: Holdfast, command: tuple[str, ...]) -> None:
    """--help works without a vault, and begins with what the command is for."""
    told = shared.run(*command, "--help")

    assert (told.status, told.err) == (0, "")
    assert told.out.startswith("Usage: holdfast")


def test_it_tells_its_version(shared: Holdfast) -> None:
    """--version is the version of the package."""
    from holdfast import __version__

    assert shared.run("--version").out == f"holdfast {__version__}\n"

"""Who asks, for whom: keys, selectors, and ids that must not stand for one another."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from nodes import another_node
from traces import rows

from holdfast.testing.asgi import Answer, call
from holdfast.testing.harness import ADMIN_TOKEN, PUBLIC_URL, RETURN_TO, SERVICE, Deployment
from holdfast.usecases import manage

PATH = f"/vault/connections/crm/{SERVICE}"
SELECTORS = ("authorization", "x-apideck-app-id", "x-apideck-consumer-id")

WRONG_KEYS: dict[str, Callable[[str], str]] = {
    "nothing": lambda key: "",
    "only the scheme": lambda key: "Bearer",
    "the scheme and a space": lambda key: "Bearer ",
    "a character less": lambda key: f"Bearer {key[:-1]}",
    "a character more": lambda key: f"Bearer {key}x",
    "another last character": lambda key: f"Bearer {key[:-1]}{'0' if key[-1] != '0' else '1'}",
    "upper case": lambda key: f"Bearer {key.upper()}",
    "two keys": lambda key: f"Bearer {key}, Bearer {key}",
    "another scheme": lambda key: f"Basic {key}",
    "the scheme twice": lambda key: f"Bearer Bearer {key}",
    "a session token": lambda key: "Bearer eyJhbGciOiJub25lIn0.e30.",
    "the admin's token": lambda key: f"Bearer {ADMIN_TOKEN}",
    "not ASCII": lambda key: f"Bearer {key}\xe9",
    "10 kB": lambda key: "Bearer " + "a" * 10_000,
    "NUL": lambda key: f"Bearer {key}\x00",
}

# Each stands for a consumer of its own, however much it looks like another one.
CONSUMERS = (
    "a", "A", "a ", " a", "a%20", "a%00", "%61", "a+", "../b", "b", "./b", "a/b", "a\\b", "a;b", "a,b", "a.b", "a|b",
    '"a"', "'a'", "a'--", "{a}", "${a}", "0", "00", "-1", "null", "None", "undefined", "*", "%", "_", "[object Object]",
    "user@example.com", "crm+sandbox-crm", "a" * 254, "a" * 255,
)  # fmt: skip
REFUSED_CONSUMERS = {
    "composed": "caf\u00e9".encode().decode("latin-1"),
    "decomposed": "cafe\u0301".encode().decode("latin-1"),
    "Latin-1": "caf\xe9",
    "full width": "\uff41".encode().decode("latin-1"),
    "zero-width space": "a\u200b".encode().decode("latin-1"),
    "no-break space": "a\xa0",
    "NUL": "a\x00",
    "a tab": "a\tb",
    "a line break": "a\r\nx-apideck-app-id: b",
    "DEL": "a\x7f",
    "256 characters": "a" * 256,
    "300 characters": "a" * 300,
}

# What might pass for `crm/sandbox-crm` after one more decoding, folding or joining.
OTHER_CONNECTIONS = (
    "crm+sandbox-crm/sandbox-crm", "crm+x/y", "crm/x+y", "crm%2Bx/y", "crm/sandbox-crm+crm", "crm+crm/sandbox-crm",
    "crm%2fsandbox-crm", "crm/sandbox-crm%2f", "crm%2F..%2Fcrm/sandbox-crm", "crm//sandbox-crm", "crm/sandbox-crm/",
    "/crm/sandbox-crm", "crm/./sandbox-crm", "crm/x/../sandbox-crm", "crm/%2e%2e", "crm/%2e/sandbox-crm",
    "crm;x/sandbox-crm", "crm/sandbox-crm;x", "crm/sandbox-crm%3bx", "crm/sandbox-crm%00", "crm/sandbox-crm%0a",
    "crm/sandbox-crm%20", "crm/%20sandbox-crm", "crm/sandbox%2dcrm%09", "crm/sandbox-crm.json", "crm/sandbox-crm%23",
    "CRM/sandbox-crm", "crm/Sandbox-CRM", "crm/%C5%BFandbox-crm", "crm/sandbox_crm", "crm/sandbox-crm%25", "crm/*",
    "lead/sandbox-crm", "/sandbox-crm", "crm/" + "a" * 5000,
)  # fmt: skip


async def get(vault: Deployment, *headers: tuple[str, str]) -> Answer:
    return await call(vault.app, "GET", PUBLIC_URL + PATH, headers)


def headers_of(vault: Deployment) -> dict[str, str]:
    values = (f"Bearer {vault.api_key}", vault.application_id, vault.consumer)
    return dict(zip(SELECTORS, values, strict=True))


@pytest.mark.parametrize("scheme", ["", "Bearer ", "bearer ", "BEARER  "])
async def test_a_key_comes_with_or_without_its_scheme(vault: Deployment, scheme: str) -> None:
    """Generated clients send it bare."""
    reply = await vault.get(PATH, headers={"authorization": scheme + vault.api_key})

    assert reply.status == 200


async def test_a_wrong_key_opens_nothing(vault: Deployment) -> None:
    """401 with the challenge that RFC 9110 section 15.5.2 demands; the answer does not repeat the key."""
    sent = {name: wrong(vault.api_key) for name, wrong in WRONG_KEYS.items()}

    replies = {name: await vault.get(PATH, headers={"authorization": key}) for name, key in sent.items()}

    assert {name: reply.status for name, reply in replies.items() if reply.status != 401} == {}
    assert {reply.headers["www-authenticate"] for reply in replies.values()} == {"Bearer"}
    assert [name for name, reply in replies.items() if "hf_live" in reply.text or ADMIN_TOKEN in reply.text] == []


async def test_a_key_stands_in_its_header_only(vault: Deployment) -> None:
    """Neither a query nor a cookie is asked: both end up in logs, or come along without being meant."""
    for path, cookie in ((f"{PATH}?api_key={vault.api_key}", ""), (PATH, f"authorization={vault.api_key}")):
        reply = await vault.get(path, headers={"authorization": None, "cookie": cookie})
        assert (reply.status, reply.body["detail"]) == (401, "Missing authentication")


async def test_a_key_belongs_to_one_application(vault: Deployment) -> None:
    """Two applications, two keys: each key with the other's id is refused, whichever is the attacker's."""
    other, others_key = await manage.create_application(vault.vault, "Other", (RETURN_TO,))

    replies = [
        await vault.get(PATH, headers={"x-apideck-app-id": other.id}),
        await vault.get(PATH, headers={"authorization": others_key}),
        await vault.get(PATH, headers={"x-apideck-app-id": "0" * 32}),
        await vault.get(PATH, headers={"x-apideck-app-id": vault.application_id.upper()}),
    ]

    assert [reply.status for reply in replies] == [401] * 4
    assert {reply.body["detail"] for reply in replies} == {"The API key belongs to another application."}


async def test_a_key_that_was_taken_away_opens_nothing_any_more(vault: Deployment) -> None:
    """At once on the node where it happened, within a second on every other one."""
    keys = f"/applications/{vault.application_id}/api-keys"
    (key,) = (await vault.manage("GET", keys)).data
    async with another_node(vault) as other:
        assert [(await node.get(PATH)).status for node in (vault, other)] == [200, 200]

        await vault.manage("DELETE", f"{keys}/{key['id']}")
        here = await vault.get(PATH)
        vault.clock.advance(1)

        assert (here.status, (await other.get(PATH)).status) == (401, 401)


async def test_another_spelling_of_a_key_is_remembered_no_longer(vault: Deployment) -> None:
    """The second runs from when the key was read: what was remembered is not remembered again."""
    keys = f"/applications/{vault.application_id}/api-keys"
    (key,) = (await vault.manage("GET", keys)).data
    plain = {"authorization": vault.api_key}
    async with another_node(vault) as other:
        assert (await other.get(PATH)).status == 200
        await vault.manage("DELETE", f"{keys}/{key['id']}")
        vault.clock.advance(0.9)
        again = await other.get(PATH, headers=plain)
        vault.clock.advance(0.2)

        assert (await other.get(PATH, headers=plain)).status == 401
        assert again.status == 401
        assert (await other.get(PATH)).status == 401


async def test_a_key_does_what_its_scopes_say(vault: Deployment) -> None:
    """A key for sessions reads no connection."""
    keys = f"/applications/{vault.application_id}/api-keys"
    made = await vault.manage("POST", keys, json={"scopes": ["sessions"]})

    reply = await vault.get(PATH, headers={"authorization": made.data["api_key"]})

    assert reply.status == 401


@pytest.mark.parametrize("value", [None, ""], ids=["missing", "empty"])
@pytest.mark.parametrize("name", SELECTORS[1:])
async def test_a_selector_must_be_there(vault: Deployment, name: str, value: str | None) -> None:
    """400 names the one that is missing: some clients leave out what was not configured."""
    reply = await vault.get(PATH, headers={name: value})

    assert (reply.status, reply.body["type_name"]) == (400, "RequestHeadersValidationError")
    assert reply.body["detail"] == {"missing": [{name: "required"}]}


async def test_without_a_consumer_the_list_shows_what_there_is(vault: Deployment) -> None:
    """The application's integrations, none of them anybody's."""
    await vault.connect()

    reply = await vault.get("/vault/connections", headers={"x-apideck-consumer-id": None})

    assert [(c["state"], c["authorize_url"], c["revoke_url"]) for c in reply.data] == [("available", None, None)]


@pytest.mark.parametrize("name", SELECTORS)
async def test_a_header_that_comes_twice_is_refused(vault: Deployment, name: str) -> None:
    """Proxies disagree about which one counts, also when both say the same."""
    headers = headers_of(vault)

    for second in (headers[name], "user-2"):
        answer = await get(vault, *headers.items(), (name, second))
        assert answer.status == 401


async def test_consumers_whose_ids_look_alike_are_different_people(vault: Deployment) -> None:
    """Each writes, then each reads: what comes back is what that one wrote."""
    for consumer in CONSUMERS:
        assert (await vault.patch(PATH, json={"metadata": {"of": consumer}}, consumer=consumer)).status == 200

    read = {consumer: (await vault.connection(consumer=consumer))["metadata"]["of"] for consumer in CONSUMERS}

    assert read == {consumer: consumer for consumer in CONSUMERS}
    assert (await rows(vault))["consumers"] == len(CONSUMERS)


async def test_an_id_that_another_system_would_fold_is_refused(vault: Deployment) -> None:
    """Bytes outside ASCII have several spellings, and control characters none that survives."""
    sent = REFUSED_CONSUMERS.items()

    replies = {name: await vault.patch(PATH, json={"enabled": True}, consumer=consumer) for name, consumer in sent}

    assert {name: reply.status for name, reply in replies.items() if reply.status != 400} == {}
    assert (await rows(vault))["consumers"] == 0


async def test_no_other_path_stands_for_a_connection(vault: Deployment) -> None:
    """Delimiters, encodings, dots and case: 404, for reading and for writing."""
    await vault.connect()
    before = await rows(vault)

    for path in OTHER_CONNECTIONS:
        for method in ("GET", "PATCH", "DELETE"):
            reply = await vault.request(method, f"/vault/connections/{path}", json={"enabled": False})
            assert reply.status == 404, (method, path)
    assert await rows(vault) == before


@pytest.mark.parametrize(
    "path", ["/vault/authorize/{}/%00?state=x", "/vault/revoke/{}/a%00b?state=x", "/manage/{}/%00"]
)
async def test_a_nul_in_a_path_is_no_id(vault: Deployment, path: str) -> None:
    """PostgreSQL has no such text; the answer is a 404 and not an accident."""
    reply = await vault.get(path.format(SERVICE), headers={"authorization": f"Bearer {ADMIN_TOKEN}"})
    application = await vault.manage("GET", "/applications/%00")

    assert [reply.status, application.status] == [404, 404]


async def test_an_unknown_connector_and_one_that_is_not_set_up_are_told_apart(vault: Deployment) -> None:
    """The first is a mistake of the caller's, the second one of the operator's."""
    unknown = await vault.get("/vault/connections/crm/no-such-service")
    not_set_up = await vault.get("/vault/connections/crm/pipedrive")

    assert (unknown.status, unknown.body["type_name"]) == (404, "ConnectorNotFoundError")
    assert (not_set_up.status, not_set_up.body["type_name"]) == (404, "IntegrationNotFoundError")


async def test_a_switched_off_integration_is_shown_and_not_used(vault: Deployment) -> None:
    """It leaves the list; asked for by name it says what it is, and takes nothing."""
    path = f"/applications/{vault.application_id}/integrations/crm/{SERVICE}"
    await vault.manage("PUT", path, json={"enabled": False})

    writes = [
        await vault.patch(PATH, json={"enabled": True}),
        await vault.post(PATH, json={}),
        await vault.post(f"{PATH}/import", json={}),
        await vault.get(f"{PATH}/leads/custom-fields"),
    ]

    assert (await vault.get("/vault/connections")).data == []
    assert (await vault.connection())["integration_state"] == "disabled"
    assert {(reply.status, reply.body["type_name"]) for reply in writes} == {(422, "ConnectorDisabledError")}
    assert (await rows(vault))["connections"] == 0

"""What is written down before a credential is used, and where no secret of it goes."""

from __future__ import annotations

import ast
import re
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from urllib.parse import parse_qs, urlsplit

import pytest
from accounts import open_account
from dance import begin
from pages import ROOT
from structlog.testing import capture_logs
from watched_database import leave_alone, refuse, watched, with_vault

from holdfast.catalog import Catalog
from holdfast.domain.door import STREAM, WHOLE, Answer, Limits, Ready, Upload
from holdfast.domain.exchange import Request, Response
from holdfast.domain.tenancy import Caller, Scope
from holdfast.store import journal
from holdfast.testing.harness import CLIENT_SECRET, SERVICE, Deployment
from holdfast.testing.network import FakeNetwork
from holdfast.testing.provider import Behaviour, RawAnswer, fail, say
from holdfast.usecases.revocations import DELAYS

PATH = f"/vault/connections/crm/{SERVICE}"
FIELDS = f"{PATH}/leads/custom-fields"
JSON = {"Content-Type": "application/json"}
Act = Callable[[Deployment], Awaitable[None]]


class Witness:
    """The network, and what the journal held when each request left."""

    def __init__(self, network: FakeNetwork, look: Callable[[], Awaitable[list[tuple[str, str]]]]) -> None:
        self._network = network
        self._look = look
        self.seen: list[list[tuple[str, str]]] = []

    async def send(self, request: Request, *, limits: Limits = WHOLE, ready: Ready | None = None) -> Response:
        self.seen.append(await self._look())
        return await self._network.send(request, limits=limits, ready=ready)

    def open(
        self, request: Request, upload: Upload | None = None, *, limits: Limits = STREAM
    ) -> AbstractAsyncContextManager[Answer]:
        return self._network.open(request, upload, limits=limits)


async def journalled(vault: Deployment) -> list[tuple[str, str]]:
    """Whose credential was opened for what, by whom; all of it so far, the latest first."""
    await vault.vault.store.journal.drain()
    rows = await journal.recent(Scope(vault.application_id, Caller.own("test")), vault.vault.store)
    assert all(row["actor"] and row["connection_id"] for row in rows)
    return [(row["consumer_id"], row["reason"]) for row in rows]


async def token(vault: Deployment) -> Act:
    await vault.connect()

    async def act(vault: Deployment) -> None:
        await vault.get(FIELDS)

    return act


async def expired(vault: Deployment) -> Act:
    act = await token(vault)
    vault.clock.advance(7200)
    return act


async def given_up(vault: Deployment) -> Act:
    await vault.connect()

    async def act(vault: Deployment) -> None:
        await vault.delete(PATH)

    return act


async def given_up_late(vault: Deployment) -> Act:
    await vault.connect()
    with vault.provider.behave("revoke", fail(503)):
        await vault.delete(PATH)
    vault.clock.advance(DELAYS[0])

    async def act(vault: Deployment) -> None:
        assert await vault.work() == 1

    return act


def typed(id: str, api: str, operation: str) -> Callable[[Deployment], Awaitable[Act]]:
    """An account whose credential stands in its form."""

    async def begun(vault: Deployment) -> Act:
        account = await open_account(vault, id, api)
        await account.fill_in()

        async def act(vault: Deployment) -> None:
            assert (await vault.post(f"{account.path}/{operation}")).status == 200

        return act

    return begun


USES = {
    "a token is used": (token, "custom_fields"),
    "a token is refreshed": (expired, "refresh"),
    "a grant is ended": (given_up, "revoke"),
    "a grant is ended by the worker": (given_up_late, "revoke"),
    "an API key": (typed("activecampaign", "crm", "validate"), "validate"),
    "a user and a password": (typed("twilio", "sms", "validate"), "validate"),
    "client credentials": (typed("personio", "hris", "token"), "exchange"),
    "a password grant": (typed("ceridian-dayforce", "hris", "token"), "exchange"),
}


@pytest.mark.parametrize(("prepare", "reason"), USES.values(), ids=USES.keys())
async def test_the_journal_knows_before_anything_leaves(
    vault: Deployment, prepare: Callable[[Deployment], Awaitable[Act]], reason: str
) -> None:
    """When the first request leaves, there is one more line: whose credential, for what."""
    act = await prepare(vault)
    before = await journalled(vault)
    witness = Witness(vault.network, lambda: journalled(vault))

    await act(with_vault(vault, door=witness))

    assert witness.seen
    assert witness.seen[0][: len(witness.seen[0]) - len(before)] == [("user-1", reason)]


def test_a_credential_has_one_door() -> None:
    """One function of the code opens what is sealed of a connection, and it journals before it opens."""
    callers = [
        (file.name, function.name)
        for file in (ROOT / "src/holdfast").rglob("*.py")
        for function in ast.walk(ast.parse(file.read_text()))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and "rows.credential(" in ast.unparse(function)
    ]

    assert callers == [("connections.py", "open_credential")]


async def test_no_metric_and_no_address_holds_a_secret(vault: Deployment) -> None:
    """Neither what Prometheus reads nor a URL that is asked, or that a browser is sent to on our word."""
    begun = await begin(vault)
    await vault.connect()
    vault.clock.advance(7200)
    await vault.get(FIELDS)
    metrics = (await vault.get("/metrics")).text
    addresses = "".join(request.url for request in vault.network.requests) + begun.provider_url
    await vault.delete(PATH)

    ledger = vault.provider.ledger
    secrets = {*ledger.access, *ledger.refresh, CLIENT_SECRET, vault.api_key, begun.cookie.partition("=")[2]}
    assert "holdfast_jobs_total" in metrics
    assert [secret for secret in secrets if secret in metrics + addresses] == []


FAILURES: dict[str, tuple[Behaviour, str]] = {
    "rejected": (say(RawAnswer(400, JSON, b'{"error": "invalid_grant"}')), "rejected"),
    "misconfigured": (say(RawAnswer(401, JSON, b'{"error": "invalid_client"}')), "misconfigured"),
    "deferred": (fail(503), "deferred"),
}


@pytest.mark.parametrize(("behaviour", "outcome"), FAILURES.values(), ids=FAILURES.keys())
async def test_a_refresh_that_fails_is_told_in_three_places(
    vault: Deployment, behaviour: Behaviour, outcome: str
) -> None:
    """Health, event and log say so, whoever has to act."""
    await vault.connect()
    vault.clock.advance(7200)

    with capture_logs() as logs, vault.provider.behave("token", behaviour):
        await vault.get(FIELDS)

    assert (await vault.connection())["health"] == "pending_refresh"
    assert "token_refresh.pending" in await vault.events()
    assert [line["outcome"] for line in logs if line["event"] == "refresh_failed"] == [outcome]


async def test_a_database_that_is_away_is_503_and_no_dead_grant(vault: Deployment) -> None:
    """Every use, and readiness, says so with Retry-After; afterwards nothing is known against the connection."""
    await vault.connect()
    faulty, database = watched(vault)
    database.before = refuse()

    replies = [await faulty.get(path) for path in (PATH, FIELDS, "/vault/connections", "/ready")]
    database.before = leave_alone

    assert [(reply.status, "retry-after" in reply.headers) for reply in replies] == [(503, True)] * 4
    assert (await vault.connection())["health"] == "ok"
    assert (await vault.get(FIELDS)).status == 200


async def test_pkce_is_left_out_where_a_manifest_says_so(vault: Deployment) -> None:
    """Only there: the sandbox's manifest says nothing, and its flows have a challenge."""
    assert vault.settings.connectors_dir is not None
    manifest = vault.settings.connectors_dir / SERVICE / "connector.yaml"
    manifest.write_text(re.sub(r"pkce: \w+", "pkce: off", manifest.read_text()))

    without = await begin(with_vault(vault, catalog=Catalog.load(vault.settings.connectors_dir)))
    with_it = await begin(vault)

    assert "code_challenge" not in parse_qs(urlsplit(without.provider_url).query)
    assert with_it.asked["code_challenge_method"] == "S256"

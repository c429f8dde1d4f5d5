"""A token endpoint may answer anything: nothing of it becomes a credential that is none, or leaves a trace outside."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from time import process_time
from typing import Any

from dance import begin, consent
from structlog.testing import capture_logs
from traces import rows

from holdfast.testing.harness import CLIENT_SECRET, RETURN_TO, SERVICE, Deployment, Reply
from holdfast.testing.provider import BAD_TOKEN_ANSWERS, Behaviour, drop, fail, redirect, say

PATH = f"/vault/connections/crm/{SERVICE}"
USELESS = [name for name, answer in BAD_TOKEN_ANSWERS.items() if not answer.token]
ODD = [name for name, answer in BAD_TOKEN_ANSWERS.items() if answer.token]
# What neither an error's text nor a log may repeat: what we sent, and what such answers hold.
SECRETS = (CLIENT_SECRET, "sbx_", "Sign in", "X-Injected", "collector.evil.example")
FAULTS: dict[str, Behaviour] = {
    "503": fail(503),
    "429": fail(429, retry_after=60),
    "hangs up": drop(committed=False),
    "hangs up afterwards": drop(),
    "sends us elsewhere": redirect("https://collector.evil.example/oauth/token", 307),
    "sends us to this machine": redirect("http://127.0.0.1:8000/manage/applications", 302),
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """What a person, and a log, see of an authorization whose code is answered badly. `seconds` are of the CPU."""

    reply: Reply
    logs: list[Any]
    seconds: float

    @property
    def outcome(self) -> str:
        """The type of the error, or where the person was sent instead."""
        return self.reply.parameters.get("error_type", self.reply.location)

    @property
    def leaks(self) -> list[str]:
        told = self.reply.location + json.dumps(self.logs, default=repr)
        return [secret for secret in SECRETS if secret in told]


@cache
def bad_answer(name: str) -> Behaviour:
    """Made once: the largest take a while."""
    return say(BAD_TOKEN_ANSWERS[name].raw())


async def connect(vault: Deployment, behaviour: Behaviour, consumer: str) -> Attempt:
    """An authorization of `consumer` to whose token request the provider behaves so."""
    begun = await begin(vault, consumer=consumer)
    callback = await consent(vault, begun)
    with capture_logs() as logs, vault.provider.behave("token", behaviour):
        started = process_time()
        reply = await vault.open(callback, cookie=begun.cookie)
        return Attempt(reply, logs, process_time() - started)


async def test_an_answer_without_a_usable_token_connects_nothing(vault: Deployment) -> None:
    """The person is sent back with a typed error; nothing is stored, repeated, told or slow."""
    attempts = {name: await connect(vault, bad_answer(name), name) for name in USELESS}

    assert {name: a.outcome for name, a in attempts.items()} == dict.fromkeys(USELESS, "OAuthCodeExchangeError")
    assert {name: a.leaks for name, a in attempts.items() if a.leaks} == {}
    assert {name: a.seconds for name, a in attempts.items() if a.seconds > 1} == {}
    assert (await rows(vault))["connections"] == 0
    assert vault.provider.calls["token"] == len(USELESS)


async def test_an_answer_that_is_odd_beside_its_token_is_taken_or_refused_whole(vault: Deployment) -> None:
    """Either way the outcome is one that the product knows, and so are the types of what is told afterwards."""
    for name in ODD:
        attempt = await connect(vault, bad_answer(name), name)
        connection = await vault.connection(consumer=name)

        taken = attempt.outcome == RETURN_TO
        assert taken or attempt.outcome == "OAuthCodeExchangeError", name
        assert connection["state"] == ("callable" if taken else "available"), name
        assert not attempt.leaks, name
        assert not taken or isinstance(connection["credentials_expire_at"], int), name


async def test_a_token_endpoint_that_fails_connects_nothing(vault: Deployment) -> None:
    """A code is not sent twice, and never to where a redirect leads: it would take the client's secret along."""
    attempts = {name: await connect(vault, behaviour, name) for name, behaviour in FAULTS.items()}

    assert {name: a.outcome for name, a in attempts.items()} == dict.fromkeys(FAULTS, "OAuthCodeExchangeError")
    assert {name: a.leaks for name, a in attempts.items() if a.leaks} == {}
    assert len(vault.network.requests) == len(FAULTS)
    assert (await rows(vault))["connections"] == 0


async def test_a_network_that_fails_connects_nothing(vault: Deployment) -> None:
    """The same answer as for a provider that fails; the URL that was asked is not told."""
    for fault in ("refused", "timeout", "lost"):
        begun = await begin(vault)
        callback = await consent(vault, begun)
        vault.network.fail_next(fault)

        reply = await vault.open(callback, cookie=begun.cookie)

        assert reply.parameters["error_type"] == "OAuthCodeExchangeError"
        assert "/oauth/token" not in reply.parameters["error_message"]
    assert (await rows(vault))["connections"] == 0


async def test_an_answer_without_a_usable_token_ends_no_connection(vault: Deployment) -> None:
    """In a refresh: the old grant is kept, whatever such an answer pretends, and works once the provider does."""
    for name in USELESS:
        await vault.connect(consumer=name)
    vault.clock.advance(3600)

    for name in USELESS:
        with vault.provider.behave("token", bad_answer(name)):
            failed = await vault.get(f"{PATH}/leads/custom-fields", consumer=name)
        assert 400 <= failed.status < 500, name
        assert not [secret for secret in SECRETS if secret in failed.text], name
        assert (await vault.connection(consumer=name))["state"] == "callable", name
    vault.clock.advance(31)

    recovered = {name: await vault.get(f"{PATH}/leads/custom-fields", consumer=name) for name in USELESS}
    assert {name: reply.text for name, reply in recovered.items() if reply.status != 200} == {}


async def test_an_after_connect_call_that_fails_costs_no_grant(vault: Deployment) -> None:
    """The token is kept; what the call would have filled in stays empty."""
    for consumer, endpoint in (("user-1", "api:GET /api/v1/users/me"), ("user-2", "api:GET /api/v1/users")):
        with vault.provider.behave(endpoint, fail(500)):
            page = await vault.connect(consumer=consumer)

        assert page.url == RETURN_TO
        assert (await vault.connection(consumer=consumer))["state"] == "callable"

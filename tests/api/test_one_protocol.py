"""Obtaining a credential: many callers, one request, and each judges the outcome for itself."""

from __future__ import annotations

import asyncio

from accounts import open_account
from nodes import another_node
from passing_time import while_time_passes
from watched_database import with_vault
from watched_flights import WatchedFlights

from holdfast.testing.harness import RETURN_TO, SERVICE, Deployment
from holdfast.testing.provider import Behaviour, RawAnswer, fail, stall
from holdfast.usecases.flight import Flights

ONE = f"/vault/connections/crm/{SERVICE}"
FIELDS = f"{ONE}/leads/custom-fields"
# Half a minute before its end, when a refresh is due and the token still serves.
NEARLY_EXPIRED = 3600 - 20
REFUSES_LATE = Behaviour(
    acts=False, delay=5, answer=RawAnswer(400, {"Content-Type": "application/json"}, b'{"error": "invalid_grant"}')
)


async def test_a_use_is_content_with_the_old_token_where_a_validation_is_not(vault: Deployment) -> None:
    """Both wait for the same refusal: the token that still lives serves the one, and the other is told."""
    flights = WatchedFlights()
    together = with_vault(vault, flights=flights)
    await vault.connect()
    vault.clock.advance(NEARLY_EXPIRED)
    with vault.provider.behave("token:refresh_token", REFUSES_LATE):
        validating = asyncio.create_task(together.post(f"{ONE}/validate"))
        await vault.clock.asleep()
        using = asyncio.create_task(together.get(FIELDS))
        await flights.aboard(2)
        vault.clock.advance(5)
        validated, used = await validating, await using

    assert (validated.status, used.status) == (401, 200)
    assert vault.provider.calls["token:refresh_token"] == 1


async def test_a_validation_that_joins_a_use_is_told_of_its_failure(vault: Deployment) -> None:
    """The use began it, and the old token serves it; whoever asks whether the credential works hears the refusal."""
    flights = WatchedFlights()
    together = with_vault(vault, flights=flights)
    await vault.connect()
    vault.clock.advance(NEARLY_EXPIRED)
    with vault.provider.behave("token:refresh_token", REFUSES_LATE):
        using = asyncio.create_task(together.get(FIELDS))
        await vault.clock.asleep()
        validating = asyncio.create_task(together.post(f"{ONE}/validate"))
        await flights.aboard(2)
        vault.clock.advance(5)
        used, validated = await using, await validating

    assert (used.status, validated.status) == (200, 401)
    assert vault.provider.calls["token:refresh_token"] == 1


async def test_validations_on_two_nodes_at_once_come_to_an_end(vault: Deployment) -> None:
    """Whoever finds that another node has just proved the credential is content with that."""
    await vault.connect()

    async with another_node(vault) as other:
        validating = asyncio.gather(*(node.post(f"{ONE}/validate") for node in (vault, other) * 5))
        replies = await while_time_passes(vault.clock, validating)

    assert {reply.status for reply in replies} == {200}
    assert vault.provider.calls["token:refresh_token"] <= 10


async def test_a_browser_that_goes_away_does_not_part_a_code_from_its_grant(vault: Deployment) -> None:
    """The provider has spent the code: what it grants is kept although nobody waits for the answer."""
    url = await vault.authorize_url()
    page = await vault.browser().visit(url, initiator=RETURN_TO)
    with vault.provider.behave("token:authorization_code", stall(5, committed=True)):
        coming_back = asyncio.create_task(page.allow())
        await vault.clock.asleep()
        coming_back.cancel()
        await asyncio.gather(coming_back, return_exceptions=True)
        vault.clock.advance(5)
        await vault.vault.flights.land()

    assert (await vault.connection())["state"] == "callable"
    assert (await vault.get(FIELDS)).status == 200


async def test_exchanges_at_once_are_one(vault: Deployment) -> None:
    """Ten callers want a token for the same stored credentials: the provider is asked once."""
    flights = WatchedFlights()
    together = with_vault(vault, flights=flights)
    account = await open_account(vault, "personio", "hris")
    await account.fill_in()
    with account.provider.behave("token", stall(1)):
        asking = [asyncio.create_task(together.post(f"{account.path}/token")) for _ in range(10)]
        await flights.aboard(10)
        await vault.clock.asleep()
        vault.clock.advance(1)
        replies = await asyncio.gather(*asking)

    assert {reply.status for reply in replies} == {200}
    assert account.provider.calls["token"] == 1


async def test_a_failure_is_answered_alike_until_the_next_attempt(vault: Deployment) -> None:
    """Whoever asks meanwhile hears what the provider said, and the provider is left alone: a validation too."""
    await vault.connect()
    vault.clock.advance(7200)
    with vault.provider.behave("token:refresh_token", fail(429, retry_after=600)):
        replies = [await vault.get(FIELDS), await vault.post(f"{ONE}/validate"), await vault.get(FIELDS)]
        vault.clock.advance(599)
        replies.append(await vault.get(FIELDS))

    assert [reply.status for reply in replies] == [422] * 4
    assert replies[-1].headers["retry-after"] == "1"
    assert vault.provider.calls["token:refresh_token"] == 1
    vault.clock.advance(1)
    assert (await vault.get(FIELDS)).status == 200


async def test_a_refused_confirmation_leaves_nothing_to_confirm(vault: Deployment) -> None:
    """The integration is switched off while a code waits: the confirmation is refused and can be made later."""
    await vault.manage("PATCH", f"/applications/{vault.application_id}", json={"confirmation": "always"})
    page = await vault.connect(nonce="n1")
    path = f"/applications/{vault.application_id}/integrations/crm/{SERVICE}"
    await vault.manage("PUT", path, json={"enabled": False})
    token = {"confirm_token": page.query["confirm_token"]}

    refused = await vault.post(f"{ONE}/confirm", json=token)
    await vault.manage("PUT", path, json={"enabled": True})
    confirmed = await vault.post(f"{ONE}/confirm", json=token)

    assert page.url.startswith(RETURN_TO)
    assert (refused.status, confirmed.status) == (422, 200)
    assert (await vault.connection())["state"] == "callable"


async def test_a_provider_that_takes_long_holds_up_nobody_whose_token_still_lives(vault: Deployment) -> None:
    """After a while a use goes on with the old token; the answer that comes late is kept all the same."""
    await vault.connect()
    vault.clock.advance(NEARLY_EXPIRED)
    impatient = with_vault(vault, flights=Flights(patience=0.05))
    with vault.provider.behave("token:refresh_token", stall(15, committed=True)):
        used = await impatient.get(FIELDS)
        forced = await impatient.post(f"{ONE}/validate")
        vault.clock.advance(15)
        await impatient.vault.flights.land()

    assert (used.status, forced.status) == (200, 503)
    assert vault.provider.calls["token:refresh_token"] == 1
    vault.clock.advance(60)
    assert (await vault.get(FIELDS)).status == 200
    assert vault.provider.calls["token:refresh_token"] == 1

"""The end of a grant: gone here at once, whatever the provider says, and told to it until it has answered."""

from __future__ import annotations

from pathlib import Path

import pytest
from dance import begin, consent
from nodes import Deploy
from own_manifests import FORCE, open_force, write_manifests
from traces import rows, traces

from holdfast.testing.harness import RETURN_TO, SERVICE, Deployment, Reply
from holdfast.testing.provider import Behaviour, RawAnswer, drop, fail, say
from holdfast.usecases import revocations

PATH = f"/vault/connections/crm/{SERVICE}"
OUTCOMES = """
SELECT r.outcome, r.status, r.attempts, r.settled_at, j.sealed, j.done_at
FROM revocations r LEFT JOIN jobs j ON j.id = r.id ORDER BY r.created_at"""
JSON = {"Content-Type": "application/json"}
UNSUPPORTED = RawAnswer(400, JSON, b'{"error": "unsupported_token_type"}')


async def revoke_link(vault: Deployment) -> str:
    return f"{(await vault.connection())['revoke_url']}&redirect_uri={RETURN_TO}"


async def end(vault: Deployment, way: str) -> Reply:
    """Ends the connection's grant by the browser's link or by the API."""
    if way == "delete":
        return await vault.delete(PATH)
    return await vault.open(await revoke_link(vault))


async def outcomes(vault: Deployment) -> list[str | None]:
    return [row["outcome"] for row in await vault.vault.store.q.all(OUTCOMES)]


async def test_a_revoked_connection_keeps_its_settings_and_loses_its_grant(vault: Deployment) -> None:
    """Both tokens are ended at the provider (RFC 7009), and the link is gone from the answer."""
    await vault.connect()

    reply = await end(vault, "revoke")

    connection = await vault.connection()
    assert reply.location == RETURN_TO
    assert (connection["state"], connection["health"], connection["revoke_url"]) == ("added", "revoked", None)
    assert connection["settings"]["company_id"] == "7713204"
    assert vault.provider.calls["revoke"] == 2
    assert not [token for token in vault.provider.ledger.access.values() if vault.provider.ledger.good(token)]
    assert (await vault.events())[-2:] == ["updated", "revoked"]


async def test_a_revoke_link_may_be_opened_again(vault: Deployment) -> None:
    """People reload pages: the answer is the same, and nothing more happens."""
    await vault.connect()
    link = await revoke_link(vault)

    replies = [await vault.open(link) for _ in range(2)]

    assert [reply.location for reply in replies] == [RETURN_TO, RETURN_TO]
    assert vault.provider.calls["revoke"] == 2


@pytest.mark.parametrize("seconds", [60, 0])
async def test_a_kept_revoke_link_does_not_end_a_later_grant(vault: Deployment, seconds: int) -> None:
    """It names the grant that it was shown for, not the connection; two of one millisecond have two names."""
    await vault.connect()
    kept = await revoke_link(vault)
    vault.clock.advance(seconds)
    await vault.connect()

    reply = await vault.open(kept)

    assert reply.location == RETURN_TO
    assert (await vault.connection())["state"] == "callable"
    assert vault.provider.calls["revoke"] == 0


async def test_a_consent_right_after_a_disconnection_is_another_one(vault: Deployment) -> None:
    """In the same millisecond: the link that ended the first one does not end the second, nor does a late try."""
    await vault.connect()
    kept = await revoke_link(vault)
    with vault.provider.behave("revoke", fail(503)):
        await vault.open(kept)
    await vault.connect()
    vault.clock.advance(revocations.DELAYS[0])

    await vault.open(kept)
    await vault.work()

    old, new = vault.provider.ledger.grants
    assert (old.ended, new.ended) == (True, False)
    assert (await vault.connection())["state"] == "callable"


async def test_a_revoke_link_ends_nothing_of_others(vault: Deployment) -> None:
    """The path and the audience are those of the link, or nothing happens."""
    await vault.connect()
    await vault.connect(consumer="user-2")
    link = await revoke_link(vault)
    before = await traces(vault)

    replies = [
        await vault.open(link.replace(f"/{SERVICE}/", "/pipedrive/")),
        await vault.open((await vault.authorize_url()).replace("/vault/authorize/", "/vault/revoke/")),
    ]

    assert [reply.parameters["error_type"] for reply in replies] == ["OAuthInvalidStateError"] * 2
    assert {reply.parameters["origin"] for reply in replies} == {"revoke"}
    assert await traces(vault) == before


@pytest.mark.parametrize("way", ["revoke", "delete"])
@pytest.mark.parametrize(
    ("answer", "outcome", "status"),
    [
        (say(RawAnswer(200)), "revoked", 200),
        (say(RawAnswer(200, JSON, b'{"error": "no_permission"}')), "refused", 200),
        (say(RawAnswer(400, JSON, b'{"error": "invalid_token"}')), "revoked", 400),
        (say(UNSUPPORTED), "refused", 400),
    ],
    ids=["200", "an error with 200", "a token that is unknown", "400"],
)
async def test_what_the_provider_answers_is_kept(
    vault: Deployment, way: str, answer: Behaviour, outcome: str, status: int
) -> None:
    """The grant is gone here either way; `revoked` is announced if it ended there too and there is a connection."""
    await vault.connect()

    with vault.provider.behave("revoke", answer):
        await end(vault, way)

    assert (await vault.connection())["state"] == {"revoke": "added", "delete": "available"}[way]
    (row,) = await vault.vault.store.q.all(OUTCOMES)
    assert (row["outcome"], row["status"]) == (outcome, status)
    assert ("revoked" in await vault.events()) == ((way, outcome) == ("revoke", "revoked"))
    assert not await vault.work()


@pytest.mark.parametrize("way", ["revoke", "delete"])
@pytest.mark.parametrize("fault", ["503", "page", "hang", "lost", "unreachable"])
async def test_a_provider_that_cannot_answer_is_asked_again(vault: Deployment, way: str, fault: str) -> None:
    """Nothing waits for it: the person is sent on, the local grant is gone, and a worker tries again."""
    await vault.connect()
    if fault in ("503", "page"):
        page = say(RawAnswer(403, {"Content-Type": "text/html"}, b"<html>Attention Required</html>"))
        with vault.provider.behave("revoke", fail(503) if fault == "503" else page):
            await end(vault, way)
    elif fault == "lost":
        with vault.provider.behave("revoke", drop()):
            await end(vault, way)
    else:
        vault.network.fail_next("timeout" if fault == "hang" else "refused")
        await end(vault, way)
    gone = (await vault.connection())["state"]
    too_early = await vault.work()
    vault.clock.advance(31)

    again = await vault.work()

    assert gone in ("added", "available")
    assert (too_early, again) == (0, 1)
    assert await outcomes(vault) == ["revoked"]
    assert (await vault.events())[-1] == {"revoke": "revoked", "delete": "deleted"}[way]


async def test_a_provider_that_asks_to_wait_is_waited_for(vault: Deployment) -> None:
    """RFC 7009 section 2.2.1: 503 with Retry-After."""
    await vault.connect()
    with vault.provider.behave("revoke", fail(503, retry_after=900)):
        await end(vault, "revoke")
    vault.clock.advance(899)

    too_early = await vault.work()
    vault.clock.advance(2)

    assert (too_early, await vault.work()) == (0, 1)


async def test_a_provider_that_never_answers_is_given_up_with_a_note(vault: Deployment) -> None:
    """After a day: the outcome says so, and the token is kept no longer than it is needed."""
    await vault.connect()
    with vault.provider.behave("revoke", fail(503)):
        await end(vault, "revoke")
        for _ in range(2 * len(revocations.DELAYS)):
            vault.clock.advance(max(revocations.DELAYS) + 1)
            await vault.work()

    (row,) = await vault.vault.store.q.all(OUTCOMES)
    assert (row["outcome"], row["sealed"]) == ("unreachable", None)
    assert "revoked" not in await vault.events()
    assert vault.provider.calls["revoke"] == len(revocations.DELAYS) + 1


async def test_a_connector_that_cannot_be_told_forgets_locally(deploy: Deploy, tmp_path: Path) -> None:
    """No revocation endpoint in the manifest: nothing is owed, and nothing is announced as revoked."""
    write_manifests(tmp_path)
    async with deploy() as vault:
        await open_force(vault)
        await vault.patch(f"/vault/connections/crm/{FORCE}", json={"settings": {"organization": "northwind"}})
        begun = await begin(vault, service=FORCE)
        await vault.open(await consent(vault, begun), cookie=begun.cookie)
        connected = await vault.connection(FORCE)

        reply = await vault.open(f"{connected['revoke_url']}&redirect_uri={RETURN_TO}")

        assert reply.location == RETURN_TO
        assert [connected["state"], (await vault.connection(FORCE))["state"]] == ["callable", "added"]
        assert (await rows(vault))["revocations"] == 0
        assert (await vault.events())[-1] == "updated"

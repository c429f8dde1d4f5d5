"""What stands in links and states: only what this vault made, for this purpose, not long ago."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from dance import Begun, begin, came_back, changed
from forgeries import claims_of, forgeries
from traces import traces

from holdfast.domain.credential import Secret
from holdfast.testing.harness import ADMIN_TOKEN, PROVIDER_URL, PUBLIC_URL, RETURN_TO, SERVICE, Deployment
from holdfast.usecases import manage

PATH = f"/vault/connections/crm/{SERVICE}"
CALLBACK_PAGE = f"{PUBLIC_URL}/oauth/callback"


def link(vault: Deployment, action: str, state: str) -> str:
    path = f"{PUBLIC_URL}/vault/{action}/{SERVICE}/{vault.application_id}"
    return f"{path}?state={quote(state, safe='')}&redirect_uri={RETURN_TO}"


def state_in(url: str) -> str:
    return parse_qs(urlsplit(url).query)["state"][0]


async def test_a_link_says_whose_connection_it_is_and_for_how_long(vault: Deployment) -> None:
    """The claims that published clients read, and those that bind it: issuer, audience, expiry, grant."""
    await vault.connect()
    connection = await vault.connection()
    authorize, revoke = (claims_of(state_in(connection[name])) for name in ("authorize_url", "revoke_url"))

    assert {name: authorize[name] for name in ("consumer_id", "unified_api", "service_id", "application_id")} == {
        "consumer_id": "user-1",
        "unified_api": "crm",
        "service_id": SERVICE,
        "application_id": vault.application_id,
    }
    assert authorize["iat"] * 1000 == vault.clock.now()
    assert authorize["exp"] - authorize["iat"] == 3600
    assert (authorize["iss"], authorize["aud"], revoke["aud"]) == (PUBLIC_URL, "authorize", "revoke")
    assert revoke["jti"]


@pytest.mark.parametrize("action", ["authorize", "revoke"])
async def test_a_forged_link_does_nothing(vault: Deployment, action: str) -> None:
    """Every forgery: back to the product with the reason, or 400; no row and no request to the provider."""
    await vault.connect()
    genuine = state_in((await vault.connection())[f"{action}_url"])
    forged = forgeries(genuine, vault.vault.keys)
    if action == "revoke":
        forged["claim aud of the other link"] = state_in((await vault.connection())["authorize_url"])
    before = await traces(vault)

    replies = {name: await vault.open(link(vault, action, state)) for name, state in forged.items()}

    believed = [name for name, reply in replies.items() if reply.status != 400 and not refused(reply.location)]
    assert believed == []
    assert await traces(vault) == before
    assert len(forged) >= 90


def refused(location: str) -> bool:
    return location.startswith(f"{RETURN_TO}?error_type=OAuthInvalidStateError&")


async def test_a_genuine_link_among_the_forgeries_works(vault: Deployment) -> None:
    """Otherwise the test before would prove nothing."""
    genuine = state_in(await vault.authorize_url())

    assert (await vault.open(link(vault, "authorize", genuine))).location.startswith(PROVIDER_URL)


async def test_a_link_expires_after_an_hour(vault: Deployment) -> None:
    """The page that shows it makes a new one each time it is loaded."""
    await vault.connect()
    connection = await vault.connection()
    vault.clock.advance(3599)
    in_time = await vault.open(f"{connection['authorize_url']}&redirect_uri={RETURN_TO}")
    vault.clock.advance(1)

    late = [
        await vault.open(f"{connection[name]}&redirect_uri={RETURN_TO}") for name in ("authorize_url", "revoke_url")
    ]

    assert in_time.location.startswith(PROVIDER_URL)
    assert [refused(reply.location) for reply in late] == [True, True]
    assert (await vault.connection())["state"] == "callable"


async def test_a_link_of_another_application_is_refused(vault: Deployment) -> None:
    """Its state is genuine, but it names another tenant than the path."""
    state = state_in(await vault.authorize_url())
    other, _ = await manage.create_application(vault.vault, "Other", (RETURN_TO,))
    client = manage.IntegrationChange(client_id="x", client_secret=Secret("y"))
    await manage.put_integration(vault.vault, other.id, "crm", SERVICE, client)

    reply = await vault.open(link(vault, "authorize", state).replace(vault.application_id, other.id))

    assert refused(reply.location)


async def test_the_state_that_the_provider_sees_says_nothing(vault: Deployment) -> None:
    """It is random: no consumer, no connection, no time; the provider and its logs need none of them."""
    begun = await begin(vault, consumer="marta.kowalczyk@northwind-freight.example")

    assert "." not in begun.state
    assert "marta" not in begun.provider_url
    assert len(begun.state) == 64


async def test_no_artefact_passes_for_another(vault: Deployment) -> None:
    """Each of six things that open something is presented at each of six places: only its own one lets it in."""
    artefacts, begun, callback = await one_of_each(vault)
    places = doors(vault, begun, callback)

    mixed = {(a, p): await places[p](artefacts[a]) for a in artefacts for p in places if a != p}
    # The revocation comes last: it ends what is under way.
    own = {name: await places[name](artefacts[name]) for name in reversed([*places])}

    assert [pair for pair, accepted in mixed.items() if accepted] == []
    assert own == dict.fromkeys(places, True)


async def one_of_each(vault: Deployment) -> tuple[dict[str, str], Begun, str]:
    await vault.connect()
    begun, callback = await came_back(vault)
    page = await vault.connect(nonce="5f0c", redirect_uri=CALLBACK_PAGE)
    connection = await vault.connection()
    artefacts = {
        "confirm": page.query["confirm_token"],
        "callback": begun.state,
        "authorize": state_in(connection["authorize_url"]),
        "revoke": state_in(connection["revoke_url"]),
        "key": vault.api_key,
        "admin": ADMIN_TOKEN,
    }
    return artefacts, begun, callback


def doors(vault: Deployment, begun: Begun, callback: str) -> Mapping[str, Callable[[str], Awaitable[bool]]]:
    """Where each artefact belongs: whether what is presented there is let in. The revocation comes first."""

    async def revoke(presented: str) -> bool:
        reply = await vault.open(link(vault, "revoke", presented))
        return reply.headers.get("location") == RETURN_TO

    async def authorize(presented: str) -> bool:
        reply = await vault.open(link(vault, "authorize", presented))
        return reply.headers.get("location", "").startswith(PROVIDER_URL)

    async def come_back(presented: str) -> bool:
        reply = await vault.open(changed(callback, state=presented), cookie=begun.cookie)
        return reply.headers.get("location") == RETURN_TO

    async def confirm(presented: str) -> bool:
        return (await vault.post(f"{PATH}/confirm", json={"confirm_token": presented})).status == 200

    async def use_key(presented: str) -> bool:
        return (await vault.get(PATH, headers={"authorization": f"Bearer {presented}"})).status == 200

    async def administer(presented: str) -> bool:
        path, headers = "/manage/applications", {"authorization": f"Bearer {presented}"}
        return (await vault.get(path, headers=headers)).status == 200

    return {
        "revoke": revoke,
        "authorize": authorize,
        "callback": come_back,
        "confirm": confirm,
        "key": use_key,
        "admin": administer,
    }

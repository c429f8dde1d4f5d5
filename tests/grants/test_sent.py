"""What was sent does not come back out of a flow, whatever member a provider repeats it in."""

from __future__ import annotations

import base64
from collections.abc import Callable, Generator
from typing import Any
from urllib.parse import quote

import pytest
from driving import NOW, acme, answer, setup

from holdfast.domain.credential import OAuthToken, Secret
from holdfast.domain.exchange import Request, Response
from holdfast.domain.manifest.connector import Connector, Option
from holdfast.errors import ConnectionSettingsError, ProviderError
from holdfast.grants.flow import Setup, drive
from holdfast.grants.listing import Choice, CustomField
from holdfast.grants.revoke import Ending, revoke
from holdfast.grants.sent import Sent
from holdfast.grants.token import exchange_code, refresh

SECRET = "s3cret/+ %"
CODINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in base64": lambda text: base64.b64encode(text.encode()).decode(),
    "percent-encoded": lambda text: quote(text, safe=""),
    "inside of something": lambda text: f"client ({text}) is not known",
}
MEMBERS: dict[str, Callable[[str], Any]] = {
    "error": lambda text: {"error": text},
    "error.code": lambda text: {"error": {"code": text, "message": text}},
    "errors": lambda text: {"errors": [{"code": text, "message": text}]},
    "error_description": lambda text: {"error": "invalid_request", "error_description": text},
    "error_uri": lambda text: {"error": "invalid_client", "error_uri": f"https://x.example/{text}"},
    "status": lambda text: {"status": text, "code": text},
}


def opened(connector: Connector | None = None, **cred: str) -> Setup:
    """A set-up with an opened credential: what is in it is in its values."""
    return setup(connector, cred={"client_id": "client:1", "client_secret": SECRET, **cred})


async def told(flow: Generator[Request, Response, Any], response: Response, known: Setup, *more: str) -> Any:
    """What the flow gives, or the error that it raises."""

    async def send(request: Request) -> Response:
        return response

    try:
        return await drive(flow, send, Sent((*known.secrets(), *more)))
    except ProviderError as error:
        return error


@pytest.mark.parametrize("member", MEMBERS)
@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("what", ["code-1234567890", "verifier-987654", SECRET])
async def test_a_token_endpoint_that_repeats_a_value_shows_it_nowhere(what: str, coding: str, member: str) -> None:
    """Neither in the error's code nor in its words; the status is still told."""
    repeated = CODINGS[coding](what)
    known = opened()
    flow = exchange_code(
        known, "code-1234567890", redirect_uri="https://r.example", verifier="verifier-987654", now=NOW
    )
    error = await told(flow, answer(MEMBERS[member](repeated), 400), known, "code-1234567890", "verifier-987654")
    assert isinstance(error, ProviderError)
    assert repeated not in f"{error.code} {error.detail} {error.args}"
    assert error.status == 400


async def test_a_refresh_token_that_is_repeated_as_a_code_is_not_shown() -> None:
    """It looks like a code, and is one of the values that were sent."""
    token = OAuthToken(Secret("at_0123456789"), Secret("rt_0123456789abcdef"))
    known = opened(access_token="at_0123456789", refresh_token="rt_0123456789abcdef")
    flow = refresh(known, token, redirect_uri="", now=NOW)
    error = await told(flow, answer({"error": "rt_0123456789abcdef"}, 400), known)
    assert (error.code, error.detail) == (None, "The provider repeated what it was sent.")


async def test_the_whole_authorization_is_looked_for_too() -> None:
    """HTTP Basic joins id and secret before it encodes them, so neither stands in it by itself."""
    known = opened(acme(client={"auth": "basic"}))
    basic: list[str] = []

    async def send(request: Request) -> Response:
        basic.append(request.headers["Authorization"].partition(" ")[2])
        return answer({"error": basic[0]}, 400)

    flow = exchange_code(known, "code", redirect_uri="", verifier=None, now=NOW)
    with pytest.raises(ProviderError) as caught:
        await drive(flow, send, Sent(known.secrets()))
    assert basic[0] not in f"{caught.value.code} {caught.value.detail}"


async def test_a_real_code_is_shown_as_ever() -> None:
    """Only what was sent is left out."""
    known = opened()
    flow = exchange_code(known, "code-1234567890", redirect_uri="", verifier=None, now=NOW)
    error = await told(flow, answer({"error": "invalid_grant"}, 400), known)
    assert (error.code, error.detail) == ("invalid_grant", "The provider refused with 400 (invalid_grant).")


@pytest.mark.parametrize("said", ["<html>Bad Request</html>", "you sent 'x'; we are sorry", "a=b&c=d", "=" * 20])
async def test_a_text_that_is_no_code_is_not_shown_as_one(said: str) -> None:
    """A code is a word or a few of them; anything else may be anybody's text."""
    known = opened()
    flow = exchange_code(known, "code-1234567890", redirect_uri="", verifier=None, now=NOW)
    assert (await told(flow, answer({"error": said}, 400), known)).code is None


async def test_a_granted_token_is_kept_whatever_it_equals() -> None:
    """A provider that does not rotate gives the refresh token back; what it repeats beside that is left out."""
    word = acme(token={"url": "https://auth.acme.example/token", "response": {"capture": {"shop": "shop"}}})
    known = opened(word, refresh_token="rt_0123456789abcdef")
    said = {"access_token": "new-token-1234", "refresh_token": "rt_0123456789abcdef", "shop": "rt_0123456789abcdef"}
    flow = refresh(known, OAuthToken(None, Secret("rt_0123456789abcdef")), redirect_uri="", now=NOW)
    granted = await told(flow, answer({**said, "scope": SECRET}), known)
    assert granted.token.refresh_token == Secret("rt_0123456789abcdef")
    assert (granted.token.scope, dict(granted.captured)) == (None, {})


def test_fields_and_choices_of_an_account_lose_what_was_sent() -> None:
    """A field without an id is none; one whose name was sent has no name."""
    sent = Sent(["at_0123456789"])
    fields = [
        CustomField(id="at_0123456789", finder="$['x']"),
        CustomField(id="a", finder="$['a']", name="Bearer at_0123456789", description="Fine"),
    ]
    assert sent.left_out_of(fields) == [CustomField(id="a", finder="$['a']", description="Fine")]
    choices: dict[str, tuple[Choice, ...]] = {
        "owner": (Choice(label="at_0123456789", value="1"), Choice(label="Ann", value="2"))
    }
    assert sent.left_out_of(choices) == {"owner": (Choice(label="Ann", value="2"),)}
    assert isinstance(choices["owner"][0], Option)


async def test_evidence_of_a_revocation_holds_no_token() -> None:
    """A code of a refusal is told; one that repeats the token is not."""
    known = opened(acme(revoke={"url": "https://auth.acme.example/revoke", "tokens": ["refresh_token"]}))
    token = OAuthToken(None, Secret("rt_0123456789abcdef"))
    known = known.having(cred={"refresh_token": "rt_0123456789abcdef"})
    ending = await told(revoke(known, token, now=NOW), answer({"error": "rt_0123456789abcdef"}, 400), known)
    assert ending == Ending("refused")


def test_a_long_value_that_was_cut_is_recognised() -> None:
    """Texts are cut to a length before they are told, so a part of a token may be all that is left of it."""
    token = "".join(f"{n:04}" for n in range(500))
    assert f"you sent {token}"[:1000] in Sent([token])


def test_short_values_hide_nothing() -> None:
    """A password of two letters would take words out of everything."""
    assert "an owner" not in Sent(["own", ""])


def test_details_of_every_error_are_looked_at() -> None:
    """Objects too."""
    error = ConnectionSettingsError({"setting": {"value": ["key-0123456789"]}})
    assert Sent(["key-0123456789"]).hidden_in(error).detail == "The provider repeated what it was sent."

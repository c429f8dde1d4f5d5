"""What a token endpoint's answer grants (RFC 6749 section 5.1).

What was granted is never thrown away for what stands beside it: the provider has acted, and a rotated token that is
not kept is a grant lost. So only an answer without a usable access token is no success; every other member is read
as far as it can be. What a refusal means is told in `refusal`.
"""

from __future__ import annotations

from typing import Any

from holdfast.domain.credential import OAuthToken, Secret
from holdfast.domain.exchange import Response
from holdfast.domain.manifest import path
from holdfast.domain.manifest.connector import Connector, OAuth
from holdfast.errors import GrantDeferred, GrantMisconfigured
from holdfast.grants import jwt
from holdfast.grants.lifetime import expiry, seconds_to_wait
from holdfast.grants.refusal import LATER, raise_for, refusal_in

TOKEN_LIMIT = 65_536
# Token types that need a proof of possession which we cannot give (RFC 9449, draft-ietf-oauth-v2-http-mac).
UNUSABLE_TYPES = {"dpop", "mac", "pop"}


def read_token(oauth: OAuth, response: Response, now: int, previous: OAuthToken | None = None) -> OAuthToken:
    """The token in `response`; a refresh token that does not come back is the `previous` one. Times in ms.

    GrantDeferred if there is no usable access token, GrantMisconfigured if it is of a type that nobody here can use.
    """
    answer = members(oauth, response)
    shape = oauth.token.response
    access = _token_text(_at(answer, shape.access_token))
    if access is None or not access.isascii() or not access.isprintable():
        what = "no access token" if access is None else "a token that no header can carry"
        raise GrantDeferred(f"The provider's answer holds {what}.", status=response.status, ambiguous=True)
    token_type = _text_at(answer, "token_type")
    if token_type and token_type.lower() in UNUSABLE_TYPES:
        raise GrantMisconfigured(
            "The provider issues tokens of a type that Holdfast cannot use.", status=response.status
        )
    refresh = _token_text(_at(answer, shape.refresh_token))
    return OAuthToken(
        access_token=Secret(access),
        refresh_token=Secret(refresh) if refresh else previous.refresh_token if previous else None,
        token_type=token_type,
        scope=_scope(answer),
        issued_at=now,
        expires_at=_access_expiry(oauth, answer, access, now),
        refresh_expires_at=_refresh_expiry(oauth, answer, refresh, now, previous),
    )


def captured(oauth: OAuth, response: Response) -> dict[str, str]:
    """The settings that the token answer fills."""
    answer = members(oauth, response)
    found = {id: _text_at(answer, where) for id, where in oauth.token.response.capture.items()}
    return {id: value for id, value in found.items() if value}


def members(oauth: OAuth, response: Response) -> Any:
    """The answer's document, with the members that the manifest finds in headers (without a scheme before them)."""
    answer = response.document()
    found = {name: response.headers.get(header.lower()) for name, header in oauth.token.response.headers.items()}
    given = {name: value.strip().rpartition(" ")[2] for name, value in found.items() if value}
    if not given:
        return answer
    return {**(answer if isinstance(answer, dict) else {}), **given}


def check_refusal(connector: Connector, response: Response, now: int) -> None:
    """Raises what `response` refuses, whatever its status pretends: GrantRejected, GrantMisconfigured, GrantDeferred.

    A usable token beside an error that nobody knows is a token: the provider granted it. `now` is in ms.
    """
    refused = refusal_in(connector, response)
    if refused is None or (not refused.proven and _grants(connector.auth.oauth, response)):
        return
    later = response.status in LATER or response.status >= 500
    if later and not (refused.code and _is_mapped(connector, refused.code)):
        refused = refused.put_off()
    raise_for(refused, response.status, retry_after=seconds_to_wait(response, now), ambiguous=response.status >= 500)


def _is_mapped(connector: Connector, code: str) -> bool:
    return connector.auth.oauth is not None and code in connector.auth.oauth.errors


def _grants(oauth: OAuth | None, response: Response) -> bool:
    """Whether a success holds a token, where the manifest does not say which value means failure."""
    if oauth is None or not 200 <= response.status < 300 or oauth.token.response.error.when is not None:
        return False
    return bool(_token_text(_at(members(oauth, response), oauth.token.response.access_token)))


def _at(answer: Any, where: str) -> Any:
    return path.read(path.unwrapped(answer, where), where)


def _text_at(answer: Any, where: str) -> str | None:
    return path.read_text(path.unwrapped(answer, where), where)


def _scope(answer: Any) -> str | None:
    """The granted scopes (RFC 6749 section 5.1); some providers list them."""
    listed = _at(answer, "scope")
    if isinstance(listed, list):
        return " ".join(item for item in listed if isinstance(item, str))[: path.TEXT_LIMIT] or None
    return _text_at(answer, "scope")


def _token_text(value: Any) -> str | None:
    """A token, as a text or as the number that some are; None for anything else. It may be any text (RFC 6749
    appendix A.12 allows less), but half a pair of surrogates can be sent and stored nowhere."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return None
    text = value.strip()
    return text if 0 < len(text) <= TOKEN_LIMIT and text == text.encode("utf-8", "ignore").decode() else None


def _access_expiry(oauth: OAuth, answer: Any, access: str, now: int) -> int | None:
    """As the answer tells it, as the token itself does, as the manifest knows; None if nobody does."""
    word = oauth.token.response.expires
    told = expiry(_at(answer, word.path), word.form, now) if word else None
    hinted = jwt.told_expiry(access, now) if word and told is None else None
    return told or hinted or _after(oauth.refresh.access_lifetime, now)


def _after(lifetime: int | None, now: int) -> int | None:
    return now + lifetime * 1000 if lifetime else None


def _refresh_expiry(
    oauth: OAuth, answer: Any, refresh: str | None, now: int, previous: OAuthToken | None
) -> int | None:
    """When the refresh token expires. An answer that tells an unreadable time for it means "never" or is not known;
    one that tells nothing leaves what was known."""
    word = oauth.token.response.refresh_expires
    told = expiry(_at(answer, word.path), word.form, now) if word else None
    if told is not None:
        return told
    held = refresh or (previous and previous.refresh_token)
    # Its use begins its idle time anew, also where it stays the same.
    idle = _after(oauth.refresh.idle_lifetime, now) if held else None
    silent = word is None or _at(answer, word.path) is None
    return idle or (previous.refresh_expires_at if previous and silent else None)

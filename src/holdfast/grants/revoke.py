"""Ending a grant at the provider: RFC 7009, and the shapes that others use instead.

What is written down of it is evidence, so the body of an answer is read as that of a token answer is: a failure that
it tells is a failure, whatever the status.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from holdfast.domain.credential import OAuthToken
from holdfast.domain.exchange import Request, Response
from holdfast.domain.manifest.connector import Connector, Revoke
from holdfast.domain.manifest.template import names, render_tree, render_url
from holdfast.errors import GrantDeferred
from holdfast.grants.call import place
from holdfast.grants.flow import Setup, document, form
from holdfast.grants.lifetime import seconds_to_wait
from holdfast.grants.refusal import LATER, Refusal, refusal_in
from holdfast.grants.sent import Sent
from holdfast.grants.token import basic_client, rendered_headers, send_members

# Codes that say of the token which is being revoked that there is none.
UNKNOWN_TOKEN = {"invalid_token", "invalid_grant", "token_not_found", "token_revoked", "not_found", "unknown_token"}
# RFC 7009 section 2.2.1: the provider does not revoke this type of token; the other one ends the grant.
UNSUPPORTED = "unsupported_token_type"
GONE_WITH_ITS_ADDRESS = (404, 410)
# Once one token has ended, these say of the next that it went with the first.
GONE_WITH_THE_FIRST = (400, 401, 403, 404, 410)


@dataclass(frozen=True, slots=True)
class Ending:
    """What became of a grant at the provider: `revoked` now, `gone` before (the provider knows it no more), or
    `refused`, with the provider's error code if it gave one that is safe to show, and the HTTP status."""

    outcome: Literal["revoked", "gone", "refused"]
    code: str | None = None
    status: int | None = field(default=None, compare=False)

    @property
    def ended(self) -> bool:
        return self.outcome != "refused"

    def without(self, sent: Sent) -> Ending:
        """The ending without a code that was sent."""
        return replace(self, code=None) if self.code in sent else self


RevokeFlow = Generator[Request, Response, Ending]


def revoke(setup: Setup, token: OAuthToken, *, now: int) -> RevokeFlow:
    """Presents each token that the manifest names, whatever became of the one before; `now` in ms.

    RFC 7009 section 2.2: 200 also answers for a token that is already dead. GrantDeferred if the provider could
    not answer (section 2.2.1 asks to try again later).
    """
    word = setup.oauth.revoke
    if word is None:
        return Ending("refused")
    endings: list[Ending] = []
    for name in word.tokens:
        secret = getattr(token, name)
        if secret is None:
            continue
        presented = {"token": secret.reveal(), "token_type_hint": name, name: secret.reveal()}
        response = yield _request(setup, word, presented)
        after = any(ending.ended for ending in endings)
        endings.append(_ending(setup.connector, word, response, now, after_another=after))
    return _of_all(endings)


def needs_refresh(word: Revoke, token: OAuthToken, now: int) -> bool:
    """Whether the request rests on an access token that has expired, while there is a refresh token: to a dead token
    a provider answers that it knows none, or 200 (RFC 7009 section 2.2), and the grant lives on. `now` in ms."""
    if token.refresh_token is None or not (word.auth == "credential" or _presents_access_token_only(word)):
        return False
    return token.access_token is None or (token.expires_at is not None and token.expires_at <= now)


def _presents_access_token_only(word: Revoke) -> bool:
    """An endpoint that is told whose grant it is, and not by which token, needs none that lives."""
    templates = [word.url, *word.params.values(), *word.headers.values()]
    presented = {name for template in templates for name in names(template)}
    return word.tokens == ("access_token",) and not presented.isdisjoint({("cred", "token"), ("cred", "access_token")})


def _of_all(endings: list[Ending]) -> Ending:
    """One ending of the grant. A type of token that the provider does not revoke counts only if no other ended."""
    counted = [e for e in endings if e.code != UNSUPPORTED] or endings
    refused = [e for e in counted if not e.ended]
    if refused or not counted:
        return refused[0] if refused else Ending("refused")
    return next((e for e in counted if e.outcome == "revoked"), counted[0])


def _ending(connector: Connector, word: Revoke, response: Response, now: int, *, after_another: bool) -> Ending:
    refusal = refusal_in(connector, response)
    if refusal is None:
        return Ending("revoked", status=response.status)
    if _is_put_off(response, refusal):
        raise GrantDeferred(
            f"The provider answered {response.status} to the revocation.",
            code=refusal.code,
            status=response.status,
            retry_after=seconds_to_wait(response, now),
        )
    gone = _is_gone(word, response, refusal) or (after_another and response.status in GONE_WITH_THE_FIRST)
    return Ending("gone" if gone else "refused", refusal.code, response.status)


def _is_put_off(response: Response, refusal: Refusal) -> bool:
    """Whether nothing is decided: the provider could not answer, or something before it did (a firewall's page)."""
    if response.status in LATER or response.status >= 500 or (refusal.proven and refusal.outcome == "deferred"):
        return True
    return refusal.code is None and "html" in response.headers.get("content-type", "").lower()


def _is_gone(word: Revoke, response: Response, refusal: Refusal) -> bool:
    """Whether the provider says that it knows the token no more. A call that the token itself authenticates may as
    well have failed because it has expired, while the grant lives on: that is no proof."""
    if response.status in word.gone or (word.method == "DELETE" and response.status in GONE_WITH_ITS_ADDRESS):
        return True
    return word.auth != "credential" and refusal.code in UNKNOWN_TOKEN


def _request(setup: Setup, word: Revoke, cred: Mapping[str, str]) -> Request:
    setup = setup.having(cred=cred)
    url = render_url(word.url, setup.values, setup.hosts)
    members = render_tree(word.params, setup.values)
    headers = {"Accept": "application/json", **word.headers}
    if word.auth == "client":
        return send_members(setup, url, word.method, word.body, members, headers=headers)
    labels, content = _content(word, members)
    if word.auth == "client_basic" and setup.client:
        plain = setup.oauth.client.auth == "basic_plain"
        labels["Authorization"] = basic_client(setup.client, "basic_plain" if plain else "basic")
    sent = {**labels, **rendered_headers(setup, headers)}
    request = Request(word.method, url, sent, content, setup.hosts)
    return place(setup, request) if word.auth == "credential" else request


def _content(word: Revoke, members: Mapping[str, str]) -> tuple[dict[str, str], bytes | None]:
    if word.body == "json":
        return {"Content-Type": "application/json"}, document(members)
    if word.body == "form" and members:
        return {"Content-Type": "application/x-www-form-urlencoded"}, form(members)
    return {}, None

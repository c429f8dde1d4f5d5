"""Ending a grant at the provider: RFC 7009, and the shapes that others use instead."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import NamedTuple

from holdfast.domain.credential import OAuthToken
from holdfast.domain.exchange import Request, Response
from holdfast.domain.manifest.connector import Revoke
from holdfast.domain.manifest.template import render_tree, render_url
from holdfast.errors import GrantDeferred
from holdfast.grants.answer import seconds_to_wait
from holdfast.grants.call import place
from holdfast.grants.flow import Setup, document, form
from holdfast.grants.token import basic_client, send_members


class Ended(NamedTuple):
    """What the provider said: whether it accepted every token, and the status of the first answer that did not, or
    of the last one; None if there was nothing to ask."""

    accepted: bool
    status: int | None = None


RevokeFlow = Generator[Request, Response, Ended]


def revoke(setup: Setup, token: OAuthToken) -> RevokeFlow:
    """Revokes each token that the manifest names.

    RFC 7009 section 2.2: 200 also answers for a token that is already dead. GrantDeferred if the provider could
    not answer (section 2.2.1 asks to try again later).
    """
    word = setup.oauth.revoke
    if word is None:
        return Ended(accepted=False)
    ended = Ended(accepted=True)
    for name in word.tokens:
        secret = getattr(token, name)
        if secret is None:
            continue
        response = yield _request(
            setup, word, {"token": secret.reveal(), "token_type_hint": name, name: secret.reveal()}
        )
        if response.status == 429 or response.status >= 500:
            raise GrantDeferred(
                f"The provider answered {response.status} to the revocation.",
                status=response.status,
                retry_after=seconds_to_wait(response),
            )
        if ended.accepted:
            ended = Ended(200 <= response.status < 300, response.status)
    return ended


def _request(setup: Setup, word: Revoke, cred: Mapping[str, str]) -> Request:
    setup = setup.having(cred=cred)
    url = render_url(word.url, setup.values, setup.hosts)
    members = render_tree(word.params, setup.values)
    if word.auth == "client":
        return send_members(setup, url, word.method, word.body, members)
    headers, content = _content(word, members)
    if word.auth == "client_basic" and setup.client:
        headers["Authorization"] = basic_client(setup.client)
    request = Request(word.method, url, headers, content, setup.hosts)
    return place(setup, request) if word.auth == "credential" else request


def _content(word: Revoke, members: Mapping[str, str]) -> tuple[dict[str, str], bytes | None]:
    if word.body == "json":
        return {"Content-Type": "application/json", "Accept": "application/json"}, document(members)
    if word.body == "form" and members:
        return {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}, form(members)
    return {"Accept": "application/json"}, None

"""The links that an answer carries.

Two states, never one. The *link state* stands in `authorize_url` and `revoke_url` and is opened at our own host: a
JWS that names the connection. What goes to the provider is a flow state, which says nothing (`states`).
"""

from __future__ import annotations

import base64
import hmac
from binascii import b2a_base64
from typing import Literal

import msgspec

from holdfast.domain.connection import Connection, missing_for_authorization
from holdfast.domain.tenancy import Caller, ConsumerScope
from holdfast.errors import OAuthInvalidStateError
from holdfast.usecases.subject import Subject, find_subject, with_connection
from holdfast.usecases.vault import Vault

Audience = Literal["authorize", "revoke"]

# A link is opened while the page that shows it is open.
LINK_LIFETIME = 3600
LINK_LIMIT = 4096
# Connections whose links of one minute are kept to be shown again: about two kilobytes each.
REMEMBERED = 5_000
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_encode = msgspec.json.Encoder().encode


def _base64url(data: bytes) -> bytes:
    """Without padding (RFC 7515 section 2)."""
    return b2a_base64(data, newline=False).translate(_URL_SAFE).rstrip(b"=")


_HEADER = _base64url(b'{"alg":"HS256","typ":"vlink+jwt"}')


class Link(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The claims of a link state, no more and no less. `jti` of a revoke link names the grant that it ends."""

    consumer_id: str
    unified_api: str
    service_id: str
    application_id: str
    iss: str
    aud: Audience
    iat: int
    exp: int
    jti: str


class Urls(msgspec.Struct, frozen=True, gc=False):
    """The links of one connection; None where there is nothing to authorize, or to end."""

    authorize: str | None
    revoke: str | None

    def __repr__(self) -> str:
        """Without the links, which open something."""
        return "Urls(***)"


NO_URLS = Urls(None, None)


class Links:
    """The links of connections. Each is made once a minute, however often it is shown in it.

    A link counts from the beginning of its minute, so the one that is shown again is the one that would be made.
    Links open something, so those of an earlier minute are dropped as soon as one of a later minute is asked for.
    """

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._minute = 0
        self._made: dict[tuple[str, str, str, str, str | None, bool], Urls] = {}

    def __len__(self) -> int:
        """Of how many connections links are remembered."""
        return len(self._made)

    def of(self, scope: ConsumerScope, about: Subject) -> Urls:
        """The links with which the consumer of `scope` authorizes and ends what `about` is about."""
        oauth = about.connector.auth.oauth
        if oauth is None or oauth.grant != "authorization_code":
            return NO_URLS
        held = about.connection
        waits = bool(missing_for_authorization(about.connector, held))
        grant = grant_name(held) if held and held.grant else None
        minute = self._vault.clock.now() // 60_000
        if minute != self._minute or len(self._made) >= REMEMBERED:
            self._minute, self._made = minute, {}
        named = (scope.application_id, scope.consumer_id, about.unified_api, about.connector.id, grant, waits)
        made = self._made.get(named)
        if made is None:
            made = self._made[named] = Urls(
                authorize=None if waits else self._url(scope, about, "authorize", ""),
                revoke=self._url(scope, about, "revoke", grant) if grant else None,
            )
        return made

    def _url(self, scope: ConsumerScope, about: Subject, aud: Audience, jti: str) -> str:
        service_id = about.connector.id
        state = sign(scope, self._vault, about.unified_api, service_id, aud, jti, self._minute * 60)
        return f"{self._vault.public_url}/vault/{aud}/{service_id}/{scope.application_id}?state={state}"


def sign(
    scope: ConsumerScope, vault: Vault, unified_api: str, service_id: str, aud: Audience, jti: str, now: int
) -> str:
    """A link state for the connection, valid for an hour from `now` (seconds).

    Signed by hand because every connection in every answer carries one (RFC 7515 section 5.1).
    """
    link = Link(
        consumer_id=scope.consumer_id,
        unified_api=unified_api,
        service_id=service_id,
        application_id=scope.application_id,
        iss=vault.public_url,
        aud=aud,
        iat=now,
        exp=now + LINK_LIFETIME,
        jti=jti,
    )
    signed = _HEADER + b"." + _base64url(_encode(link))
    return (signed + b"." + _base64url(vault.keys.link.digest(signed))).decode()


def read(vault: Vault, text: str, aud: Audience) -> Link:
    """The claims of a link state. OAuthInvalidStateError unless it is ours, for `aud`, and not expired."""
    signed, _, mac = text.encode("ascii", "replace").rpartition(b".")
    # The header is the one that we write, so nothing in it is left to interpret (RFC 8725 section 3.1).
    ours = len(text) <= LINK_LIMIT and signed.startswith(_HEADER + b".")
    if not ours or not any(hmac.compare_digest(mac, _base64url(key.digest(signed))) for key in vault.keys.link):
        raise OAuthInvalidStateError()
    payload = signed[len(_HEADER) + 1 :]
    try:
        link = msgspec.json.decode(base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)), type=Link)
    except ValueError:  # a newer release may sign claims that this one does not know
        raise OAuthInvalidStateError() from None
    if link.aud != aud or link.iss != vault.public_url:
        raise OAuthInvalidStateError()
    now = vault.clock.now() // 1000
    if link.exp <= now or link.iat > now + 30:
        raise OAuthInvalidStateError("The link has expired. Load the page that shows it again.", reason="expired")
    return link


def grant_name(connection: Connection) -> str:
    """What names a grant in a revoke link, so that a link kept after reconnecting ends nothing."""
    return f"{connection.id}.{connection.grant.granted_at if connection.grant else 0}"


async def follow(
    vault: Vault, service_id: str, application_id: str, text: str, aud: Audience
) -> tuple[ConsumerScope, Subject, Link]:
    """Who and what a link state names; OAuthInvalidStateError unless its names are those of the path."""
    link = read(vault, text, aud)
    if (link.service_id, link.application_id) != (service_id, application_id):
        raise OAuthInvalidStateError()
    scope = ConsumerScope(application_id, Caller.own("link"), link.consumer_id)
    about = await find_subject(scope, vault, link.unified_api, service_id)
    return scope, await with_connection(scope, vault, about), link

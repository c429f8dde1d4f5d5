"""The OAuth clients that are registered at the provider, and how they prove who they are (RFC 6749 section 2.3)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote_plus

from holdfast.testing.provider.received import Received
from holdfast.testing.provider.refusal import Refusal
from holdfast.testing.provider.shape import ClientAuth


@dataclass(frozen=True, slots=True, repr=False)
class RegisteredClient:
    """An application that may ask for grants. `redirect_uris` are compared character by character."""

    client_id: str
    client_secret: str | None = None
    redirect_uris: tuple[str, ...] = ()
    name: str = "An application"


def authenticate(
    clients: Mapping[str, RegisteredClient], request: Received, style: ClientAuth, rename: Mapping[str, str]
) -> RegisteredClient:
    """The client that sent `request`. Only `style` is accepted, so that a wrong place is noticed.

    Refusal `invalid_client` (401) for a wrong secret, `invalid_request` for credentials in two places at once.
    """
    id_name, secret_name = rename.get("client_id", "client_id"), rename.get("client_secret", "client_secret")
    in_header = _basic(request.headers.get("authorization", ""), decode=style != "basic_plain")
    elsewhere = request.query if style == "query" else request.members or request.query
    if in_header and (secret_name in request.query or secret_name in request.members):
        raise Refusal("invalid_request", "the client authenticated in two ways at once")
    if style in ("basic", "basic_plain"):
        client_id, secret = in_header or ("", "")
    else:
        client_id, secret = elsewhere.get(id_name, ""), elsewhere.get(secret_name, "")
    client = clients.get(client_id)
    if client is None or (style != "none" and secret != (client.client_secret or "")):
        raise Refusal("invalid_client", "client authentication failed", 401)
    return client


def _basic(header: str, *, decode: bool) -> tuple[str, str] | None:
    """Id and secret of an HTTP Basic header, form-decoded as RFC 6749 section 2.3.1 asks, or (without `decode`) as
    they are; None if there is none."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return (unquote_plus(client_id), unquote_plus(secret)) if decode else (client_id, secret)

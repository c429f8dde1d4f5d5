"""What the authorization server says of itself: RFC 8414."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse

from holdfast.testing.provider.received import Received
from holdfast.testing.provider.shape import Shape
from holdfast.testing.provider.token import GRANTS

PATH = "/.well-known/oauth-authorization-server"
AUTH_METHODS = {"basic": "client_secret_basic", "body": "client_secret_post", "none": "none"}


def describe(shape: Shape, request: Received) -> JSONResponse:
    """The metadata document (section 2), with the URLs under which the provider was called."""
    base = request.base_url
    members: dict[str, Any] = {
        "issuer": shape.issuer or base,
        "authorization_endpoint": _absolute(base, shape.authorization.url),
        "token_endpoint": _absolute(base, shape.token.url),
        "response_types_supported": ["code"],
        "grant_types_supported": list(GRANTS),
        "authorization_response_iss_parameter_supported": shape.authorization.iss,
    }
    if shape.scopes is not None:
        members["scopes_supported"] = list(shape.scopes)
    if shape.authorization.pkce != "off":
        members["code_challenge_methods_supported"] = ["S256"]
    if shape.token.client_auth in AUTH_METHODS:
        members["token_endpoint_auth_methods_supported"] = [AUTH_METHODS[shape.token.client_auth]]
    if shape.revocation is not None:
        members["revocation_endpoint"] = _absolute(base, shape.revocation.url)
    return JSONResponse(members)


def _absolute(base: str, url: str) -> str:
    return base + url if url.startswith("/") else url

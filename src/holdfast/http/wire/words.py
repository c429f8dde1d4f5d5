"""The API's own enumerations. Published clients refuse a word that they do not know, so these grow only with the API.

A manifest has words of its own, and more of them with each release. Whichever has no counterpart here is told as the
nearest word of the API, or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

from msgspec import UNSET, UnsetType

AuthType = Literal["oauth2", "apiKey", "basic", "custom", "none"]
OAuthGrantType = Literal["authorization_code", "client_credentials", "password"]
Status = Literal["live", "upcoming", "requested"]
FieldType = Literal[
    "text", "checkbox", "tel", "email", "url", "textarea", "select", "filtered-select", "multi-select",
    "datetime", "date", "time", "number",
]  # fmt: skip

_AUTH_TYPES: Mapping[str, AuthType] = {word: word for word in get_args(AuthType)}
_GRANT_TYPES: Mapping[str, OAuthGrantType] = {word: word for word in get_args(OAuthGrantType)}
_STATUSES: Mapping[str, Status] = {"development": "upcoming", "considering": "requested"}
_FIELD_TYPES: Mapping[str, FieldType] = {word: word for word in get_args(FieldType)}


def auth_type(word: str) -> AuthType:
    """A manifest's `auth.type`; one that the API has no word for is `custom`."""
    return _AUTH_TYPES.get(word, "custom")


def grant_type(word: str) -> OAuthGrantType | UnsetType:
    """A manifest's `auth.oauth.grant`; one that the API has no word for is not told."""
    return _GRANT_TYPES.get(word, UNSET)


def status(word: str) -> Status:
    """A manifest's `status`; whatever can be used is `live`."""
    return _STATUSES.get(word, "live")


def field_type(word: str) -> FieldType:
    """A setting's `type`. Clients refuse `password`: to them it is a text that is sensitive."""
    return _FIELD_TYPES.get(word, "text")

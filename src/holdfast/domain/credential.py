"""Credentials as values that do not show themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn


class Secret:
    """A string that prints, formats and logs as `***` and refuses to be pickled. `reveal()` gives the value."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled or copied")


@dataclass(frozen=True, slots=True)
class Sealed:
    """A stored secret that nobody has opened. `digest` is a keyed hash that tells whether another text is the same."""

    digest: str


@dataclass(frozen=True, slots=True)
class Client:
    """An OAuth client (RFC 6749 section 2.3)."""

    client_id: str
    client_secret: Secret | None = None


@dataclass(frozen=True, slots=True)
class OAuthToken:
    """What a token endpoint granted. Times are milliseconds since the epoch; None is "not known" or "never"."""

    access_token: Secret | None
    refresh_token: Secret | None = None
    token_type: str | None = None
    scope: str | None = None
    issued_at: int = 0
    expires_at: int | None = None
    refresh_expires_at: int | None = None

    def dump(self) -> dict[str, Any]:
        """The members to seal, plain."""
        return {
            "access_token": self.access_token and self.access_token.reveal(),
            "refresh_token": self.refresh_token and self.refresh_token.reveal(),
            "token_type": self.token_type,
            "scope": self.scope,
            "issued_at": self.issued_at,
            "expires_at": self.expires_at,
            "refresh_expires_at": self.refresh_expires_at,
        }

    @classmethod
    def load(cls, members: dict[str, Any]) -> OAuthToken:
        """The token that `dump` gave."""
        access, refresh = members["access_token"], members["refresh_token"]
        return cls(
            access_token=Secret(access) if access else None,
            refresh_token=Secret(refresh) if refresh else None,
            token_type=members["token_type"],
            scope=members["scope"],
            issued_at=members["issued_at"],
            expires_at=members["expires_at"],
            refresh_expires_at=members["refresh_expires_at"],
        )


@dataclass(frozen=True, slots=True)
class Credential:
    """What a connection is used with: its token (for OAuth) and the secret ones of its settings, opened."""

    token: OAuthToken | None = None
    secrets: Mapping[str, Secret] = field(default_factory=dict)

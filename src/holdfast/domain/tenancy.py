"""Who asks, for whom: applications, consumers, API keys and the `Scope` that every store function takes first."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from holdfast.domain.credential import Client, Secret

Confirmation = Literal["auto", "always", "off"]
KEY_SCOPES = ("connections", "sessions", "proxy", "credentials:read")
DEFAULT_KEY_SCOPES = ("connections", "sessions", "proxy")


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where a caller may act. None is everywhere and an empty set is nowhere, so taking entries away never widens.

    `services` are written `crm+pipedrive`; `connections` are (consumer, unified API, service).
    """

    consumers: frozenset[str] | None = None
    services: frozenset[str] | None = None
    connections: frozenset[tuple[str, str, str]] | None = None


EVERYWHERE = Bounds()


@dataclass(frozen=True, slots=True)
class Scope:
    """The tenant a statement is limited to, and who asked. `consumer_id` is None for application-wide work."""

    application_id: str
    consumer_id: str | None
    actor: str

    def of(self, consumer_id: str) -> Scope:
        """The same caller, narrowed to one consumer."""
        return Scope(self.application_id, consumer_id, self.actor)


@dataclass(frozen=True, slots=True)
class Application:
    """A product that embeds Holdfast. The first of `redirect_uris` is the default one."""

    id: str
    name: str
    redirect_uris: tuple[str, ...] = ()
    confirmation: Confirmation = "auto"
    created_at: int = 0


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is kept of an API key: never the key (security: only its MAC is stored)."""

    id: str
    application_id: str
    scopes: tuple[str, ...]
    last_four: str
    created_at: int
    bounds: Bounds = EVERYWHERE


@dataclass(frozen=True, slots=True)
class Integration:
    """A connector that an application has switched on, with the application's own OAuth client for it.

    `settings` are the manifest's settings of level `integration`, secret ones included: never shown.
    """

    application_id: str
    unified_api: str
    service_id: str
    enabled: bool = True
    client: Client | None = None
    scopes: tuple[str, ...] | None = None
    settings: dict[str, Secret] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)

"""Who asks, for whom: applications, consumers, API keys and the `Scope` that every store function takes first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

import msgspec

from holdfast.domain.credential import Client, Secret
from holdfast.errors import UnauthorizedError

Confirmation = Literal["auto", "always", "off"]
# What a caller may do: every Vault operation; make sessions; call a service; have a credential in hand.
Action = Literal["connections", "sessions", "proxy", "credentials:read"]
ACTIONS: tuple[Action, ...] = get_args(Action)
DEFAULT_ACTIONS: tuple[Action, ...] = ("connections", "sessions", "proxy")


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where a caller may act. None is everywhere and an empty set is nowhere, so taking entries away never widens.

    `services` are written `crm+pipedrive`; `connections` are (consumer, unified API, service).
    """

    consumers: frozenset[str] | None = None
    services: frozenset[str] | None = None
    connections: frozenset[tuple[str, str, str]] | None = None

    def admits(self, consumer_id: str) -> bool:
        """Whether anything of this consumer may be reached."""
        own = self.connections is None or any(consumer_id == consumer for consumer, _, _ in self.connections)
        return own and (self.consumers is None or consumer_id in self.consumers)

    def reaches(self, consumer_id: str | None, unified_api: str, service_id: str) -> bool:
        """Whether this connection may be reached; without a consumer, whether some consumer's may."""
        if self.services is not None and f"{unified_api}+{service_id}" not in self.services:
            return False
        if consumer_id is None:
            return self.connections is None or any(named[1:] == (unified_api, service_id) for named in self.connections)
        return self.admits(consumer_id) and (
            self.connections is None or (consumer_id, unified_api, service_id) in self.connections
        )


EVERYWHERE = Bounds()


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, what they may do, and where. `actor` is the name that the journal has for them."""

    actor: str
    may: frozenset[Action] = frozenset()
    bounds: Bounds = EVERYWHERE

    @classmethod
    def own(cls, actor: str) -> Caller:
        """A part of the vault itself, or its operator: nothing is kept from it."""
        return cls(actor, frozenset(ACTIONS))


class Scope(msgspec.Struct, frozen=True, gc=False):
    """The application that a statement is limited to, and who asked. A struct, for one is made for each request."""

    application_id: str
    caller: Caller

    @property
    def actor(self) -> str:
        return self.caller.actor

    @property
    def consumer(self) -> str | None:
        """The consumer that the scope is limited to, if it is."""
        return None

    def of(self, consumer_id: str) -> ConsumerScope:
        """The same caller for one consumer. UnauthorizedError if the caller may reach nothing of it."""
        if not self.caller.bounds.admits(consumer_id):
            raise UnauthorizedError("The API key is bound to other consumers.")
        return ConsumerScope(self.application_id, self.caller, consumer_id)

    def require(self, action: Action) -> None:
        """UnauthorizedError unless the caller may do this."""
        if action not in self.caller.may:
            raise UnauthorizedError(f"The API key does not have the scope {action}.")

    def reaches(self, unified_api: str, service_id: str) -> bool:
        """Whether the caller may act on this connector."""
        return self.caller.bounds.reaches(self.consumer, unified_api, service_id)


class ConsumerScope(Scope, frozen=True, gc=False):
    """A scope that is limited to one consumer of the application."""

    consumer_id: str

    @property
    def consumer(self) -> str:
        return self.consumer_id


@dataclass(frozen=True, slots=True)
class Application:
    """A product that embeds Holdfast. The first of `redirect_uris` is the default one."""

    id: str
    name: str
    redirect_uris: tuple[str, ...] = ()
    confirmation: Confirmation = "auto"
    created_at: int = 0
    version: int = 0


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is kept of an API key: never the key (security: only its MAC is stored)."""

    id: str
    application_id: str
    scopes: tuple[Action, ...]
    last_four: str
    created_at: int
    bounds: Bounds = EVERYWHERE

    @property
    def caller(self) -> Caller:
        """Whoever presents the key."""
        return Caller(f"key:{self.id}", frozenset(self.scopes), self.bounds)


@dataclass(frozen=True, slots=True)
class Integration:
    """A connector that an application has switched on: what is known of it without opening a secret.

    `settings_set` are the manifest's settings of level `integration` that have a value. The values, and the secret of
    the OAuth client, are `IntegrationSecrets`.
    """

    application_id: str
    unified_api: str
    service_id: str
    enabled: bool = True
    client_id: str | None = None
    has_client_secret: bool = False
    scopes: tuple[str, ...] | None = None
    settings_set: frozenset[str] = frozenset()
    version: int = 0
    generation: int = 0


@dataclass(frozen=True, slots=True)
class IntegrationSecrets:
    """What an integration is used with, opened: the application's OAuth client, and the values of its settings."""

    client: Client | None = None
    settings: Mapping[str, Secret] = field(default_factory=dict)

"""All that the use cases work with."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.catalog import Catalog
from holdfast.clock import Clock
from holdfast.domain.exchange import Send
from holdfast.domain.mac import Mac
from holdfast.store import Store
from holdfast.usecases.flight import Flights
from holdfast.usecases.recent import Recent


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys that MACs are made with, one for each purpose, so that no artefact passes for another."""

    api_key: Mac
    link: Mac
    flow: Mac
    confirm: Mac
    cookie: Mac
    context: Mac


@dataclass(frozen=True, slots=True)
class Vault:
    """All that the use cases work with; `holdfast.wiring` puts it together. `send` is the door to the network."""

    public_url: str
    store: Store
    catalog: Catalog
    send: Send
    clock: Clock
    keys: Keys
    flights: Flights
    recent: Recent

    @property
    def secure(self) -> bool:
        """Whether browsers reach this vault over https."""
        return self.public_url.startswith("https://")

    @property
    def callback_page(self) -> str:
        """Holdfast's own landing page after an authorization."""
        return f"{self.public_url}/oauth/callback"

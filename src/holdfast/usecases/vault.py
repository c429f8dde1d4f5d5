"""All that the use cases work with."""

from __future__ import annotations

from dataclasses import dataclass, field

from holdfast.catalog import Catalog
from holdfast.clock import Clock
from holdfast.domain.door import Door
from holdfast.domain.mac import Macs
from holdfast.store import Store
from holdfast.store.engine.locks import Locks
from holdfast.store.presentations import Terms
from holdfast.store.spool import Spool
from holdfast.usecases.bell import Bell
from holdfast.usecases.flight import Flights
from holdfast.usecases.pace import Pace
from holdfast.usecases.pauses import Pauses
from holdfast.usecases.recent import Recent


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys that MACs are made with, apart for each purpose, so that no artefact passes for another."""

    api_key: Macs
    link: Macs
    flow: Macs
    confirm: Macs
    cookie: Macs
    page: Macs


@dataclass(frozen=True, slots=True)
class Vault:
    """All that the use cases work with; `holdfast.wiring` puts it together. `door` leads to the network. `locks` keep
    the processes of a refresh apart for as long as `terms` say, and `spool` has the answers that are not stored yet."""

    public_url: str
    store: Store
    catalog: Catalog
    door: Door
    clock: Clock
    keys: Keys
    flights: Flights
    recent: Recent
    bell: Bell
    pauses: Pauses
    locks: Locks
    spool: Spool
    terms: Terms = field(default_factory=Terms)
    pace: Pace = field(default_factory=Pace)

    @property
    def secure(self) -> bool:
        """Whether browsers reach this vault over https."""
        return self.public_url.startswith("https://")

    @property
    def callback_page(self) -> str:
        """Holdfast's own landing page after an authorization."""
        return f"{self.public_url}/oauth/callback"

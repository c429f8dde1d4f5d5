"""Providers that asked to be left alone for a while: whoever acts on nobody's behalf keeps to that.

Of this process only. Another node learns it by one request of its own, which a table would cost at every refresh.
"""

from __future__ import annotations

from holdfast.clock import Clock


class Pauses:
    """Until when a service is left alone, by its id."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: dict[str, int] = {}

    def ask(self, service_id: str, seconds: int) -> None:
        """The service is left alone for `seconds` from now, or longer if it was before."""
        self._until[service_id] = max(self._until.get(service_id, 0), self._clock.now() + seconds * 1000)

    def now(self) -> list[str]:
        """The services that are left alone at the moment."""
        now = self._clock.now()
        self._until = {service_id: until for service_id, until in self._until.items() if until > now}
        return sorted(self._until)

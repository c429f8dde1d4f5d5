"""A sandbox provider that remembers what was presented to it, and what became of the family."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from holdfast.testing.provider import Lifetimes, Received, SandboxProvider, Shape
from holdfast.testing.provider.crm import SCOPES
from holdfast.testing.provider.ledger import AccessToken, Grant
from holdfast.testing.provider.shape import RotationMode

ROTATIONS: Sequence[RotationMode] = ("none", "grace", "strict", "family")
# Longer than a lease and what a restart takes, so that a replay can be made in time.
GRACE = 60


@dataclass
class Presented:
    """A refresh token that came in. `again`: it had come before; `good`: the access token that it was issued with had
    not expired.

    `replay`: seconds since it came for the first time. `status` is None as long as it is not answered.
    """

    token: str = field(repr=False)
    again: bool
    good: bool
    replay: float
    status: int | None = None
    ended: bool = False


class Watched(SandboxProvider):
    """Rotates as its `rotation` says; an access token lives for `life` seconds."""

    def __init__(self, rotation: RotationMode, life: float) -> None:
        lifetimes = Lifetimes(access=life, rotation=rotation, grace=GRACE)
        super().__init__(shape=Shape(scopes=SCOPES, lifetimes=lifetimes), on_answer=self._answered)
        self.rotation = rotation
        self.presented: dict[int, list[Presented]] = {}
        self.revocations = 0
        self._first: dict[str, tuple[int, AccessToken]] = {}
        self._last_use: dict[int, str] = {}

    def account(self, life: float) -> tuple[Grant, str, str]:
        """A grant with an access token that lives for so long, and a refresh token."""
        issue = self.issue()
        assert issue.refresh
        issue.access.expires_at = self.clock.now() + round(life * 1000)
        return issue.access.grant, issue.access.value, issue.refresh.value

    def of(self, grant: Grant) -> list[Presented]:
        """What was presented of one grant, in its order."""
        return self.presented.get(id(grant), [])

    def used_newest(self, grant: Grant) -> bool:
        """Whether the last call of the API for a grant came with the newest access token, and not with its first."""
        return len(grant.access) > 1 and self._last_use.get(id(grant)) == grant.access[-1].value

    def is_good(self, grant: Grant) -> bool:
        """Whether the newest access token of a grant that was handed out has not expired."""
        return _good(grant.access[-1], self.clock.now())

    def _record(self, received: Received) -> None:
        super()._record(received)
        if received.endpoint == "token:refresh_token":
            self._present(received.form["refresh_token"])
        elif received.endpoint.startswith("api:"):
            self._use(received.headers.get("authorization", "").removeprefix("Bearer "))
        elif received.endpoint == "revoke":
            self.revocations += 1

    def _present(self, token: str) -> None:
        known, now = self.ledger.refresh.get(token), self.clock.now()
        if known is None:
            return
        again = token in self._first
        # Nothing newer has been issued when it comes for the first time.
        first, access = self._first.setdefault(token, (now, known.grant.access[-1]))
        presented = Presented(token, again, _good(access, now), (now - first) / 1000)
        self.presented.setdefault(id(known.grant), []).append(presented)

    def _use(self, token: str) -> None:
        known = self.ledger.access.get(token)
        if known is not None:
            self._last_use[id(known.grant)] = token

    def _answered(self, received: Received, status: int) -> None:
        if received.endpoint != "token:refresh_token":
            return
        known: Any = self.ledger.refresh.get(received.form["refresh_token"])
        waiting = [one for one in self.of(known.grant) if one.token == known.value and one.status is None]
        if waiting:
            waiting[0].status, waiting[0].ended = status, known.grant.ended


def _good(token: AccessToken, now: int) -> bool:
    return token.expires_at is None or token.expires_at > now

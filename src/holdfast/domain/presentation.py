"""When a refresh token may be given to its provider, and what an answer that comes back is worth.

A provider may replace the refresh token with each answer (RFC 6749 section 6) and may take the second use of a
replaced one for theft and end the grant (RFC 9700 section 4.14.2). So every time that a token was given away is a fact
of its own, a *presentation*, which outlives whoever did it; and whether another one may follow is decided from those
facts alone. The same decision stands in SQL (`store.presentations`), because it must hold at the moment of the claim;
a property test holds the two together.

Times are milliseconds by the clock of the database.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from holdfast.domain.connection import Connection
from holdfast.domain.manifest.oauth import Refresh

# So much earlier than the provider a window of grace is held to be over: the request has to arrive inside it.
GRACE_MARGIN = 5_000

# `stored`: this very answer is in force already. `outlived`: a later one of the same consent is. `unwanted`: the
# connection has another consent, or none, so that the token would live on unknown to anybody.
Verdict = Literal["stored", "outlived", "unwanted"]


class Presentation(msgspec.Struct, frozen=True):
    """One refresh token, given to its provider once.

    `settles_at`: from then on the provider acts on it no more. `outcome`: `refused`, or `none` if whoever sent it has
    said that no answer is held; None while the sender has not spoken.
    """

    presented_at: int
    settles_at: int
    outcome: Literal["none", "refused"] | None = None


@dataclass(frozen=True, slots=True)
class Replay:
    """What presenting a token again can do. `waits`: it can end the grant, so it is the last resort. `grace`: for so
    long after the first presentation it does no harm."""

    waits: bool = True
    grace: int = 0

    @classmethod
    def of(cls, word: Refresh, lease: int) -> Replay:
        """By the manifest's `rotation`. A window that closes before a `lease` has run out is never met in time."""
        window = word.grace * 1000 - GRACE_MARGIN if word.rotation == "grace" else 0
        return cls(waits=word.rotation != "none", grace=window if window > lease else 0)


def may_present(
    past: Sequence[Presentation], replay: Replay, expires_at: int | None, now: int, *, patience: int
) -> bool:
    """Whether the token may be presented after the presentations in the `past` of the same generation.

    `expires_at` is the access token's; while that is good there is no need to risk anything, and one whose expiry is
    not known is good until the service says otherwise. `patience`: how long a sender that does not speak may still
    come back with an answer.
    """
    if not replay.waits or not past:
        return True
    if any(one.settles_at > now for one in past):
        return False
    if now < min(one.presented_at for one in past) + replay.grace:
        return True
    expired = expires_at is not None and expires_at <= now
    return expired and all(one.outcome or one.settles_at + patience <= now for one in past)


def may_present_at(
    past: Sequence[Presentation], replay: Replay, expires_at: int | None, now: int, *, patience: int
) -> int | None:
    """The first moment from `now` on at which `may_present` says yes; None if nobody knows it."""
    moments = {now, *(one.settles_at for one in past), *(one.settles_at + patience for one in past)}
    moments |= {expires_at} if expires_at is not None else set()
    for moment in sorted(moments):
        if moment >= now and may_present(past, replay, expires_at, moment, patience=patience):
            return moment
    return None


def judge(now: Connection | None, asked: Connection, attempt: int) -> Verdict:
    """What has become of an answer that was to be stored on the credential of `asked` and found another one in its
    place. `now` is the connection as it stands, `attempt` what the answer came by."""
    if now is None or now.id != asked.id or now.grant is None or now.consent != asked.consent:
        return "unwanted"
    mine = now.made_by == attempt and now.credential_generation == asked.credential_generation + 1
    return "stored" if mine else "outlived"

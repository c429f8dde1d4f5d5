"""When a connection is looked after though nobody may be using it, and why.

- *ahead*: its access token has lived four fifths of its life. It is replaced before anybody waits for that, and while
  it still serves, so that whatever goes wrong is known early. Only where the token was used: whoever decides that is
  not here.
- *keep_alive*: its refresh token dies of not being used, or has lived half its life.
- *retry*: a refresh failed, or got no answer, and nobody may ask again.
- *ending*: the grant ends soon, and only its consumer can give another one.

Pure: every moment is milliseconds since the epoch, and follows from the facts. The jitter does too, so that two nodes
agree on it, and so that ten thousand connections of one morning do not come back together.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

from holdfast.domain.connection import Connection, Grant, RefreshFailure
from holdfast.domain.consent import allows_use
from holdfast.domain.manifest.connector import Connector
from holdfast.domain.manifest.oauth import OAuth

Reason = Literal["ahead", "keep_alive", "retry", "ending"]

SECOND: Final = 1000
MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 24 * 3600 * SECOND
# A token is replaced when this much of its life is over, give or take the jitter.
SHARE, JITTER = 0.8, 0.05
# A refresh token is used when these shares of its life are over; the later ones are for what kept the first from it.
KEEP_ALIVE: Final = (0.5, 0.75, 0.875, 0.9375)
# One that lives shorter than this is not kept alive: it would be spent for its own sake.
KEEP_ALIVE_LEAST: Final = HOUR
# How long before its end a grant is told to be ending: a week, or a quarter of a life that is short.
NOTICE, NOTICE_SHARE = 7 * DAY, 4
# Pauses between tries. A refusal that proves something is asked again five times a day; anything else after ten
# minutes, then less and less often, by how long it has lasted.
REJECTED_AGAIN: Final = 5 * HOUR
AGAIN, AGAIN_LIMIT, AGAIN_SHARE = 10 * MINUTE, 6 * HOUR, 4


class Moment(NamedTuple):
    """When something is due, and what."""

    at: int
    reason: Reason


def next_due(connection: Connection, connector: Connector, now: int) -> int | None:
    """The first moment after `now` at which the connection is looked after; None if there is none."""
    return min((moment.at for moment in moments(connection, connector) if moment.at > now), default=None)


def reasons(connection: Connection, connector: Connector, since: int, now: int) -> set[Reason]:
    """What is due at `now` of a connection whose last look was for the moment `since`.

    A notice is given once: what was due before `since` has been told.
    """
    due = [moment for moment in moments(connection, connector) if moment.at <= now]
    return {reason for at, reason in due if reason != "ending" or at >= since}


def moments(connection: Connection, connector: Connector) -> Iterator[Moment]:
    """Every moment of the connection's present grant, in no order. None of one that may not be used."""
    oauth, grant = connector.auth.oauth, connection.grant
    if oauth is None or grant is None or connection.unreadable_at:
        return
    end = ends_at(grant, oauth)
    if end is not None:
        yield Moment(end - _notice(grant, oauth, end), "ending")
    if not connection.enabled or not allows_use(connection.consent_state) or not is_renewable(grant, oauth):
        return
    if connection.failure:
        yield Moment(_again(connection, grant, connection.failure), "retry")
        return
    if connection.unresolved:
        # Nothing is known of its refresh token. Before its access token ends there is nothing to win by using it again.
        if grant.expires_at is not None:
            yield from (Moment(grant.expires_at + pause, "retry") for pause in (AGAIN, HOUR, AGAIN_LIMIT))
        return
    if grant.expected_end is not None:
        yield Moment(_ahead(connection, grant, oauth, grant.expected_end), "ahead")
    if end is not None and end - grant.issued_at >= KEEP_ALIVE_LEAST:
        yield from (Moment(_at(connection, grant, end, share), "keep_alive") for share in KEEP_ALIVE)


def is_renewable(grant: Grant, oauth: OAuth) -> bool:
    """Whether a new access token can be had without the consumer."""
    return grant.refreshable or oauth.grant != "authorization_code"


def ends_at(grant: Grant, oauth: OAuth) -> int | None:
    """When the grant ends if it is left alone; None if it does not, or nobody knows."""
    if oauth.grant != "authorization_code":
        return None
    return grant.refresh_expires_at if grant.refreshable else grant.expires_at


def _ahead(connection: Connection, grant: Grant, oauth: OAuth, end: int) -> int:
    at = _at(connection, grant, end, SHARE)
    earliest = oauth.refresh.not_before_expiry
    # One second in hand for the way there, as for a use.
    return at if earliest is None else max(at, end - earliest * SECOND + SECOND)


def _at(connection: Connection, grant: Grant, end: int, share: float) -> int:
    """The moment at which `share` of what lies between issue and `end` is over, give or take the jitter."""
    wobble = zlib.crc32(f"{connection.id}:{grant.issued_at}".encode()) / 0xFFFFFFFF * 2 - 1
    return grant.issued_at + round((end - grant.issued_at) * (share + JITTER * wobble))


def _notice(grant: Grant, oauth: OAuth, end: int) -> int:
    idle = oauth.refresh.idle_lifetime if grant.refreshable else None
    return min(NOTICE, (idle * SECOND if idle else end - grant.granted_at) // NOTICE_SHARE)


def _again(connection: Connection, grant: Grant, failure: RefreshFailure) -> int:
    if failure.outcome == "rejected":
        # At the end of the time that it is kept for it is tried once more, and then given up.
        return max(failure.until, min(failure.at + REJECTED_AGAIN, connection.retained_until))
    lasted = failure.at - (grant.expected_end or failure.at)
    return max(failure.until, failure.at + min(max(AGAIN, lasted // AGAIN_SHARE), AGAIN_LIMIT))

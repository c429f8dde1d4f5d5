"""Each safety of the refresh, taken out of the real code. A run of the simulation has to notice every one of them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

from tests.simulation.doors import GatedDatabase, GatedLocks, GatedSpool
from tests.simulation.machines import Running

from holdfast.domain.connection import Connection
from holdfast.domain.door import Limits
from holdfast.domain.presentation import Replay
from holdfast.errors import Unavailable
from holdfast.store import connections, presentations
from holdfast.store.presentations import Terms
from holdfast.usecases import revocations
from holdfast.usecases.credential import attempt, failure, keep, once, recovery, refresh, spooled
from holdfast.usecases.credential.insist import insist as insisting
from holdfast.usecases.credential.obtain import Outcome
from holdfast.usecases.flight import Flights

Patch = tuple[Any, str, Any]

ATTEMPT = "SELECT attempt FROM connections WHERE consumer_id = :consumer_id"
FAILURE = "SELECT failure FROM connections WHERE id = :id"


@dataclass(frozen=True)
class Mutation:
    """What goes wrong without a safety: `what`, and the schedule that is the `way` to the damage then."""

    name: str
    way: str
    what: str
    patches: Callable[[], list[Patch]]


@contextmanager
def missing(mutation: Mutation) -> Iterator[None]:
    """The product without that safety."""
    with ExitStack() as undo:
        for owner, name, value in mutation.patches():
            undo.callback(_put_back, owner, name, vars(owner).get(name, _INHERITED))
            setattr(owner, name, value)
        yield


_INHERITED = object()


def _put_back(owner: Any, name: str, value: Any) -> None:
    if value is _INHERITED:
        delattr(owner, name)
    else:
        setattr(owner, name, value)


def without(text: str, *pieces: str, by: str = "") -> str:
    """SQL without a piece that must be in it."""
    for piece in pieces:
        assert piece in text, piece
        text = text.replace(piece, by)
    return text


def _replay(change: Callable[[str, Replay], Replay]) -> list[Patch]:
    real = Replay.of

    def of(word: Any, lease: int) -> Replay:
        return change(word.rotation, real(word, lease))

    return [(Replay, "of", of)]


def _terms(**members: Any) -> list[Patch]:
    real = Running._vault
    return [(Running, "_vault", lambda self: replace(real(self), terms=Terms(**members)))]


def _marks_nothing() -> list[Patch]:
    async def mark(*_: Any) -> bool:
        return True

    return [(presentations, "mark", mark)]


def _keeps_nothing() -> list[Patch]:
    async def put(*_: Any) -> None:
        return None

    return [(GatedSpool, "put", put)]


class _Dropped(Exception):
    """The answer is thrown away."""


def _on_attempt() -> list[Patch]:
    real, change, bound = keep.keep_refreshed, connections.change, ContextVar[int | None]("bound", default=None)

    async def changed(scope: Any, store: Any, *more: Any) -> Any:
        row = await store.q.one(ATTEMPT, consumer_id=scope.consumer_id) if bound.get() else None
        if row is not None and row["attempt"] != bound.get():
            raise _Dropped
        return await change(scope, store, *more)

    async def keep_refreshed(scope: Any, vault: Any, asked: Any, used: Any, answer: Any, *, attempt: int) -> Any:
        bound.set(attempt)
        try:
            return await real(scope, vault, asked, used, answer, attempt=attempt)
        except _Dropped:
            return asked
        finally:
            bound.set(None)

    kept: list[Patch] = [(module, "keep_refreshed", keep_refreshed) for module in (attempt, spooled)]
    return [*kept, (connections, "change", changed)]


def _not_revived() -> list[Patch]:
    real = keep.keep_refreshed

    async def keep_refreshed(scope: Any, vault: Any, asked: Any, used: Any, answer: Any, *, attempt: int) -> Any:
        row = await insisting(vault, "", lambda: vault.store.q.one(FAILURE, id=asked.connection.id))
        if row is not None and row["failure"] and "rejected" in row["failure"]:
            return asked
        return await real(scope, vault, asked, used, answer, attempt=attempt)

    return [(module, "keep_refreshed", keep_refreshed) for module in (attempt, spooled)]


def _forgets_at_the_next_claim() -> list[Patch]:
    real = presentations.claim

    async def claim(scope: Any, store: Any, connection: Any, *more: Any, **named: Any) -> Any:
        claimed = await real(scope, store, connection, *more, **named)
        if claimed is not None:
            await store.q.run("DELETE FROM presentations WHERE connection_id = :id", id=connection.id)
        return claimed

    return [(presentations, "claim", claim)]


def _last_one_wins() -> list[Patch]:
    real, numbers = keep.keep_new, itertools.count(10**6)

    async def keep_new(*of: Any, consent: int, **named: Any) -> Any:
        return await real(*of, consent=next(numbers), **named)

    return [(keep, "keep_new", keep_new)]


def _tells_its_own() -> list[Patch]:
    real = failure.note

    async def note(scope: Any, vault: Any, subject: Any, claim: Any, error: Any, *, presented: bool) -> Any:
        outcome = await real(scope, vault, subject, claim, error, presented=presented)
        if outcome.error is None:
            said = failure._failure(error, subject.integration, vault.clock.now())
            return Outcome(subject, error=failure.answer(said, 0, vault.clock.now()))
        return outcome

    return [(attempt, "note", note)]


def _in_the_callers_task() -> list[Patch]:
    async def join(self: Flights, key: Any, work: Any) -> Any:
        return await work()

    return [(Flights, "join", join)]


def _gives_up() -> list[Patch]:
    async def insist(vault: Any, service_id: str, write: Any) -> Any:
        for _ in range(2):
            try:
                return await write()
            except Unavailable:
                await vault.clock.sleep(0.1)
        raise Unavailable

    return [(keep, "insist", insist)]


def _never() -> Any:
    async def never(*_: Any) -> bool:
        return False

    return never


def _nothing_done() -> Any:
    async def nothing(*_: Any, **__: Any) -> None:
        return None

    return nothing


def _refused_whatever_stands_there() -> list[Patch]:
    real = failure.note

    async def note(scope: Any, vault: Any, subject: Any, claim: Any, error: Any, *, presented: bool) -> Any:
        same = Connection.same_grant
        Connection.same_grant = lambda self, other: True  # type: ignore[method-assign]
        try:
            return await real(scope, vault, subject, claim, error, presented=presented)
        finally:
            Connection.same_grant = same  # type: ignore[method-assign]

    free = "UPDATE connections SET lease_owner = NULL WHERE id = :id RETURNING id"
    return [(attempt, "note", note), (presentations, "_FREE_REFUSED", free)]


def _one_name(self: GatedSpool, about: Any) -> Any:
    return self._directory / f"{about.connection_id}.{self.sender().process}.refresh-{about.number}.answer"


def _by_the_nodes_clock() -> list[Patch]:
    real = GatedDatabase.one

    async def one(self: GatedDatabase, sql: str, /, **params: Any) -> Any:
        if ":node_now" in sql:
            params["node_now"] = self._me.vault.clock.now()
        return await real(self, sql, **params)

    return [(GatedDatabase, "one", one), (presentations, "_CLAIM", _CLAIM.replace(":db_now", ":node_now"))]


_NO_LOCK = property(lambda self: False, lambda self, value: None)
_CLAIM, _MARK = presentations._CLAIM, presentations._MARK
_SETTLED = "NOT EXISTS (SELECT 1 FROM presentations p WHERE p.connection_id = :id AND p.generation = :generation AND p.settles_at > :db_now)"  # noqa: E501
_FREE = "(lease_owner IS NULL OR lease_until <= :db_now OR (attempt_state = 'claimed' AND CAST(:locked AS BOOLEAN)))"
_MINE_ALONE = "AND attempt = :attempt AND lease_owner = :process"


def _same(decide: Callable[[Connection, Connection], bool]) -> list[Patch]:
    return [(Connection, "same_grant", decide)]


MUTATIONS = (
    Mutation("M-look", "look", "the claim is not of the row as it was read", lambda: [
        (presentations, "_CLAIM", without(_CLAIM, "AND credential_generation = :generation AND version = :version"))]),
    Mutation("M-lease", "moves-leases", "a claim that something was sent by is taken over at once", lambda: [
        (presentations, "_CLAIM", without(_CLAIM, _FREE, by="(TRUE)"))]),
    Mutation("M-settle", "settle-broken", "a replay does not wait for an earlier request to settle", lambda: [
        (presentations, "_CLAIM", without(_CLAIM, _SETTLED, by="TRUE"))]),
    Mutation("M-lease+settle", "settle", "neither the lease nor the settling is waited for", lambda: [
        (presentations, "_CLAIM", without(without(_CLAIM, _SETTLED, by="TRUE"), _FREE, by="(TRUE)"))]),
    Mutation("M-mark", "mark", "nothing is written down before the token leaves", _marks_nothing),
    Mutation("M-fence", "fence", "the mark asks for neither attempt nor lease", lambda: [
        (presentations, "_MARK", without(_MARK, _MINE_ALONE, "AND lease_until > :db_now"))]),
    Mutation("M-elapsed", "elapsed", "the time since the claim is not asked", lambda: [
        (Terms, "guard", property(lambda self: float("inf")))]),
    Mutation("M-lock", "any-length", "there is no lock", lambda: [
        (GatedLocks, "keeps_out", lambda self, name: False), (GatedLocks, "exclude", _NO_LOCK)]),
    Mutation("M-moves", "moves", "the lock moves from session to session, and excludes nobody", lambda: [
        (GatedLocks, "keeps_out", lambda self, name: False)]),
    Mutation("M-clock", "clock", "a claim is measured by the clock of the node", _by_the_nodes_clock),
    Mutation("M-redeeming", "redeeming", "a revocation does not look for codes that are being redeemed", lambda: [
        (revocations, "_meets_a_code", _never())]),
    Mutation("M-kind", "two-kinds", "a refresh and a code of one number have one name on the disk", lambda: [
        (GatedSpool, "_path", _one_name)]),
    Mutation("M-hangup", "slow", "an answer is given up after ten seconds", lambda: [
        (once, "TOKEN_REQUEST", Limits(total=10.0, head=10.0))]),
    Mutation("M-spool", "kill", "answers are not written to the disk", _keeps_nothing),
    Mutation("M-drain", "kill-shared", "what the dead have left is not stored", lambda: [
        (GatedSpool, "left", lambda self, connection_id=None: [])]),
    Mutation("M-kept", "kill", "the dead are spoken for though they left an answer", lambda: [
        (GatedSpool, "kept", lambda self, process: frozenset()), (recovery, "_take_up_alone", _nothing_done())]),
    Mutation("M-cas", "cas", "an answer is stored whatever credential stands there", lambda: _same(
        lambda one, other: one.id == other.id)),
    Mutation("M-id", "id", "an answer is stored on a connection that was made anew", lambda: _same(
        lambda one, other: one.credential_generation == other.credential_generation)),
    Mutation("M-cas-attempt", "cut", "an answer is stored only by the last attempt", _on_attempt),
    Mutation("M-miss", "ack", "an answer that finds another credential is ended, whatever stands there", lambda: [
        (keep, "judge", lambda *_: "unwanted"), (revocations, "_superseded", _never())]),
    Mutation("M-superseded", "account", "a revocation is sent whatever is in force", lambda: [
        (revocations, "_superseded", _never())]),
    Mutation("M-sticky", "forgets", "the next claim forgets earlier presentations", _forgets_at_the_next_claim),
    Mutation("M-wait-strict", "strict", "`strict` is replayed while the access token is good", lambda: _replay(
        lambda rotation, real: replace(real, waits=real.waits and rotation != "strict"))),
    Mutation("M-wait-family", "family", "`family` is replayed while the access token is good", lambda: _replay(
        lambda rotation, real: replace(real, waits=real.waits and rotation != "family"))),
    Mutation("M-grace", "grace", "grace never ends", lambda: _replay(
        lambda rotation, real: replace(real, grace=10**12) if rotation == "grace" else real)),
    Mutation("M-evidence", "kill", "a replay does not wait for senders that have not spoken", lambda: _terms(
        patience=0)),
    Mutation("M-refusal", "refusal", "a refusal is written on whatever stands there", _refused_whatever_stands_there),
    Mutation("M-judge", "refusal", "callers are told what their own flight came to", _tells_its_own),
    Mutation("M-detached", "detached", "a refresh runs in its caller's task", _in_the_callers_task),
    Mutation("M-hold", "hold-full", "an answer is given up when the database is away", _gives_up),
    Mutation("M-consent", "two-users", "codes are not numbered: the last one stored stays", _last_one_wins),
    Mutation("M-revive", "revive", "a refused connection is not repaired by an answer that comes later", _not_revived),
    Mutation("M-flag", "strict", "a refusal is not written down", lambda: [
        (failure, "refresh_failed", lambda before, failed: before)]),
    Mutation("M-told", "told", "losses are not told", lambda: [(recovery, "_tell", _nothing_done())]),
    Mutation("M-look-under-lock", "kill-shared", "what the dead have left is not looked for before a claim", lambda: [
        (refresh, "take_up", _nothing_done())]),
)  # fmt: skip

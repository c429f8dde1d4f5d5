"""Grants that are to be ended at their provider, and the evidence of what came of it.

The row of `revocations` is evidence: whose grant, when it was given up, what the provider answered. It is queryable
for a year, and holds no secret. The job of the same id is the work: it holds the token and the settings that the
request needs, sealed, and is erased when the matter is settled. They are two tables because they live for different
times, and because a queue of every kind has no columns for one.

Knows neither a provider nor a manifest; `usecases.revocations` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec

from holdfast.domain.connection import Connection
from holdfast.domain.credential import Credential, OAuthToken, Secret
from holdfast.domain.tenancy import Caller, ConsumerScope, Scope
from holdfast.errors import IntegrityError
from holdfast.store import Store, jobs, new_id
from holdfast.store.engine.database import Row
from holdfast.store.jobs import Job
from holdfast.store.seal.keyring import Place

KIND: Final = "revoke"

_RECORD = """
INSERT INTO revocations (id, application_id, consumer_id, connection_id, unified_api, service_id, granted_at, outcome,
  attempts, created_at, settled_at)
VALUES (:id, :application_id, :consumer_id, :connection_id, :unified_api, :service_id, :granted_at, :outcome,
  0, :now, :settled_at)"""
_READ = "SELECT * FROM revocations WHERE application_id = :application_id AND id = :id"
_NOTE = """
UPDATE revocations SET outcome = :outcome, status = :status, attempts = :attempts, settled_at = :settled_at
WHERE application_id = :application_id AND id = :id AND settled_at IS NULL"""
_HELD = """
SELECT id, granted_at FROM connections WHERE application_id = :application_id AND consumer_id = :consumer_id
  AND unified_api = :unified_api AND service_id = :service_id AND granted_at IS NOT NULL"""


@dataclass(frozen=True, slots=True)
class Revocation:
    """A grant to be ended at its provider, with all that this needs, though its connection may be gone.

    `granted_at` names the consent that the token came from, `since` is when it was given up (ms).
    """

    job: Job
    scope: ConsumerScope
    connection: Connection
    granted_at: int | None
    since: int
    credential: Credential = field(repr=False)

    @property
    def connection_id(self) -> str:
        return self.connection.id

    @property
    def unified_api(self) -> str:
        return self.connection.unified_api

    @property
    def service_id(self) -> str:
        return self.connection.service_id


async def owe(
    scope: ConsumerScope, tx: Store, connection: Connection, credential: Credential, *, leased: bool = False
) -> Revocation:
    """Records, in the transaction that gives the grant up, that the token of `connection` is to be ended.

    `leased`: the caller tries it at once; otherwise it is due now, for whoever comes first.
    """
    id, now = new_id(), tx.clock.now()
    row = _row(scope, connection, id, now)
    await tx.q.run(_RECORD, **row, outcome=None, settled_at=None)
    box = await tx.box(scope)
    sealed = box.seal(_place(row), _plain(connection, credential))
    # One provider's slowness is one lane, whoever's grants they are.
    job = await jobs.queue(scope, tx, KIND, id=id, lane=connection.service_id, subject=id, sealed=sealed, leased=leased)
    assert job is not None  # its subject is its own id
    return Revocation(job, scope, connection, row["granted_at"], now, credential)


async def give_up(scope: ConsumerScope, tx: Store, connection: Connection, outcome: str) -> None:
    """Records that a grant of `connection` was given up and cannot be ended at the provider, and why."""
    id, now = new_id(), tx.clock.now()
    await tx.q.run(_RECORD, **_row(scope, connection, id, now), outcome=outcome, settled_at=now)


async def opened(scope: Scope, store: Store, job: Job) -> Revocation:
    """The revocation of a leased job, journalled first: each try opens a credential.

    IntegrityError if it does not open, or says something else than was sealed; Unavailable without a journal.
    """
    row = await store.q.one(_READ, application_id=scope.application_id, id=job.id)
    if row is None or job.sealed is None:
        raise IntegrityError("A job has lost what it is about.")
    of = ConsumerScope(scope.application_id, Caller.own("worker"), row["consumer_id"])
    store.journal.append(of, connection_id=row["connection_id"], reason="revoke", generation=0)
    box = await store.box(of, job.sealed)
    held = msgspec.json.decode(box.open(_place(row), job.sealed))
    return _revocation(of, job, row, held)


async def reseal(scope: Scope, store: Store, revocation: Revocation, token: OAuthToken) -> Revocation:
    """The same revocation with the token that took the place of its own. The next try knows it, whoever makes it."""
    credential = replace(revocation.credential, token=token)
    row = _row(revocation.scope, revocation.connection, revocation.job.id, revocation.since)
    box = await store.box(scope)
    await jobs.reseal(store, revocation.job, box.seal(_place(row), _plain(revocation.connection, credential)))
    return replace(revocation, credential=credential)


async def settle(scope: Scope, store: Store, revocation: Revocation, outcome: str, status: int | None) -> bool:
    """Keeps what came of it, with the HTTP status that the provider answered if it did, and erases the token.

    False, and nothing is written, if another worker has taken over.
    """
    async with store.transaction() as tx:
        held = await jobs.finish(tx, revocation.job, outcome)
        if held:
            await _note(scope, tx, revocation.job, outcome, status, tx.clock.now())
    return held


async def postpone(
    scope: Scope, store: Store, revocation: Revocation, delay: int, error: str, status: int | None
) -> bool:
    """To be tried again in `delay` ms. False, and nothing is written, if another worker has taken over."""
    async with store.transaction() as tx:
        held = await jobs.retry(tx, revocation.job, delay, error)
        if held:
            await _note(scope, tx, revocation.job, None, status, None)
    return held


async def set_aside(scope: Scope, store: Store, job: Job, outcome: str) -> bool:
    """It cannot be worked on at all. The job stays as it is, to be looked at. False if another worker has it."""
    async with store.transaction() as tx:
        held = await jobs.set_aside(tx, job, outcome)
        if held:
            await _note(scope, tx, job, outcome, None, tx.clock.now())
    return held


async def held_consent(scope: ConsumerScope, store: Store, revocation: Revocation) -> tuple[str, int] | None:
    """The id and the consent of the connection that the consumer has with this connector now, if it has a grant.

    Nothing is opened: a row that is damaged tells it too.
    """
    row = await store.q.one(
        _HELD,
        application_id=scope.application_id,
        consumer_id=scope.consumer_id,
        unified_api=revocation.unified_api,
        service_id=revocation.service_id,
    )
    return (row["id"], row["granted_at"]) if row else None


async def _note(
    scope: Scope, tx: Store, job: Job, outcome: str | None, status: int | None, settled_at: int | None
) -> None:
    await tx.q.run(
        _NOTE,
        application_id=scope.application_id,
        id=job.id,
        outcome=outcome,
        status=status,
        attempts=job.attempts,
        settled_at=settled_at,
    )


def _row(scope: ConsumerScope, connection: Connection, id: str, now: int) -> dict[str, Any]:
    return {
        "id": id,
        "application_id": scope.application_id,
        "consumer_id": connection.consumer_id,
        "connection_id": connection.id,
        "unified_api": connection.unified_api,
        "service_id": connection.service_id,
        "granted_at": connection.grant.granted_at if connection.grant else None,
        "now": now,
    }


def _plain(connection: Connection, credential: Credential) -> bytes:
    """What the manifest's `revoke` may use, in clear: it is sealed at once."""
    assert credential.token is not None
    secrets = {id: secret.reveal() for id, secret in credential.secrets.items()}
    members = {"settings": dict(connection.settings), "secrets": secrets, "token": credential.token.dump()}
    return msgspec.json.encode(members)


def _revocation(scope: ConsumerScope, job: Job, row: Row, held: Mapping[str, Any]) -> Revocation:
    of = Connection(
        row["connection_id"], row["consumer_id"], row["unified_api"], row["service_id"], settings=held["settings"]
    )
    secrets = {id: Secret(value) for id, value in held["secrets"].items()}
    credential = Credential(OAuthToken.load(held["token"]), secrets)
    return Revocation(job, scope, of, row["granted_at"], row["created_at"], credential)


def _place(row: Row | Mapping[str, Any]) -> Place:
    """All that says whose token it is: a row that was relabelled does not open."""
    ids = (row["consumer_id"], row["unified_api"], row["service_id"], row["connection_id"], row["id"])
    return Place("jobs", "sealed", row["application_id"], ids, 0)

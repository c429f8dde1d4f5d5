"""Authorizations under way: single use, short lived, spent by one statement.

A state or a token is looked up by its MAC, so a copy of the database holds none that works. Whoever can write to the
database cannot make a row say something else either: what is sealed in it opens only with the row as it was written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from holdfast.domain.tenancy import Caller, ConsumerScope, Scope
from holdfast.errors import InvalidStateError, OAuthInvalidStateError, StateFault
from holdfast.store import Store
from holdfast.store.rows import key_of
from holdfast.store.seal.envelope import Place

# A flow lives as long as somebody may take to log in and consent; a confirmation as long as a pop-up may stay open.
FLOW_LIFETIME = 10 * 60 * 1000
DELEGATED_LIFETIME = 30 * 60 * 1000
CONFIRMATION_LIFETIME = 30 * 60 * 1000
# Kept of one connection, so that a link opened again and again fills nothing. The oldest half of those that are open
# stays: whoever got hold of a link pushes nobody out who began before. The newest half stays too: they do not shut out
# who begins after, unless they open it hundreds of times while a person signs in. What goes is from between.
OPEN_FLOWS = 500
# How long (ms) a code may be under way: its token request takes 120 s at most.
REDEEMING = 150_000
TRIES = 5
ENDED = "The connection was deleted, disconnected or switched off since this authorization began."

_BEGIN = """
INSERT INTO flows (state_mac, application_id, consumer_id, unified_api, service_id, context, redirect_uri, nonce,
  confirms, binding_mac, sealed, created_at, expires_at)
VALUES (:state_mac, :application_id, :consumer_id, :unified_api, :service_id, :context, :redirect_uri, :nonce,
  :confirms, :binding_mac, :sealed, :now, :expires_at)"""

_OF_ONE = """application_id = :application_id AND consumer_id = :consumer_id AND unified_api = :unified_api
  AND service_id = :service_id"""
_IS_OPEN = "spent_at IS NULL AND expires_at > :now"
# A code that is being redeemed may still ask for its flow.
_MAY_GO = "(spent_at IS NULL OR spent_at <= :redeemed)"
_CAP = f"""
DELETE FROM flows WHERE {_OF_ONE} AND {_MAY_GO} AND state_mac <> :state_mac
  AND state_mac NOT IN (
    SELECT state_mac FROM flows WHERE {_OF_ONE} AND {_IS_OPEN} ORDER BY created_at, state_mac LIMIT :half)
  AND state_mac NOT IN (
    SELECT state_mac FROM flows WHERE {_OF_ONE} AND {_MAY_GO} ORDER BY created_at DESC, state_mac LIMIT :half)"""

_SPEND = """
UPDATE flows SET spent_at = :now WHERE state_mac = :state_mac AND spent_at IS NULL AND expires_at > :now
  AND (binding_mac IS NULL OR binding_mac = :binding_mac)
RETURNING *"""

_KEPT = "SELECT spent_at, expires_at FROM flows WHERE state_mac = :state_mac"

_OF = f"{_OF_ONE} AND ended_at IS NULL"
_END = f"UPDATE flows SET ended_at = :now WHERE {_OF}"
_END_CONFIRMATIONS = f"UPDATE confirmations SET ended_at = :now, sealed = :emptied WHERE {_OF}"
_STANDS = {
    "flow": "SELECT ended_at FROM flows WHERE state_mac = :mac",
    "confirmation": "SELECT ended_at FROM confirmations WHERE token_mac = :mac",
}

_REDEEMING = f"""
SELECT 1 AS found FROM flows WHERE {_OF} AND spent_at > :since
UNION ALL SELECT 1 AS found FROM confirmations WHERE {_OF} AND spent_at > :since"""

_AWAIT = """
INSERT INTO confirmations (token_mac, application_id, consumer_id, unified_api, service_id, sealed, tries,
  created_at, expires_at)
VALUES (:token_mac, :application_id, :consumer_id, :unified_api, :service_id, :sealed, 0, :now, :expires_at)"""

_TRY = """
UPDATE confirmations SET tries = tries + 1
WHERE token_mac = :token_mac AND spent_at IS NULL AND ended_at IS NULL AND expires_at > :now AND tries < :limit
RETURNING *"""

_SPEND_CONFIRMATION = """
UPDATE confirmations SET spent_at = :now, sealed = :emptied
WHERE token_mac = :token_mac AND application_id = :application_id AND spent_at IS NULL AND ended_at IS NULL
  AND expires_at > :now
RETURNING token_mac"""


Origin = tuple[Literal["flow", "confirmation"], bytes]


@dataclass(frozen=True, slots=True)
class Flow:
    """One authorization. `binding_mac` is of the browser's cookie; None for a delegated flow (the product answers
    for its user). `confirms`: the code is redeemed only after the consumer's confirmation. `ended`: the connection was
    deleted, disconnected or switched off since."""

    unified_api: str
    service_id: str
    context: str
    redirect_uri: str | None
    nonce: str | None = None
    confirms: bool = False
    binding_mac: bytes | None = None
    verifier: str | None = field(default=None, repr=False)
    ended: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class Pending:
    """A code that waits to be redeemed, and what its callback brought. `origin` is what it came from: a flow or a
    confirmation, by its MAC, which may be ended while the code is being redeemed."""

    unified_api: str
    service_id: str
    code: str
    verifier: str | None
    context: str
    captured: dict[str, str]
    origin: Origin


async def begin(scope: ConsumerScope, store: Store, state_mac: bytes, flow: Flow) -> None:
    """Remembers `flow` under its state's MAC, and forgets some of too many."""
    now = store.clock.now()
    connection = key_of(scope, flow.unified_api, flow.service_id)
    said = {
        **connection,
        "state_mac": state_mac,
        "context": flow.context,
        "redirect_uri": flow.redirect_uri,
        "nonce": flow.nonce,
        "confirms": flow.confirms,
        "binding_mac": flow.binding_mac,
        "expires_at": now + (FLOW_LIFETIME if flow.binding_mac else DELEGATED_LIFETIME),
    }
    # Also without a verifier: what is sealed then is nothing, and still it opens only with the row as it is.
    sealed = await _seal(store, scope, _flow_place(said), flow.verifier)
    await store.q.run(_BEGIN, **said, sealed=sealed, now=now)
    await store.q.run(_CAP, **connection, state_mac=state_mac, now=now, redeemed=now - REDEEMING, half=OPEN_FLOWS // 2)


async def spend(store: Store, state_mac: bytes, binding_mac: bytes) -> tuple[ConsumerScope, Flow]:
    """The flow of a state, once. OAuthInvalidStateError if it is unknown, expired, spent or of another browser.

    Another browser does not spend it: whoever began the flow may still end it. IntegrityError if its row says
    something else than when it was begun.
    """
    row = await store.q.one(_SPEND, state_mac=state_mac, binding_mac=binding_mac, now=store.clock.now())
    if row is None:
        raise OAuthInvalidStateError(reason=await _fault(store, state_mac))
    scope = ConsumerScope(row["application_id"], Caller.own("callback"), row["consumer_id"])
    flow = Flow(
        unified_api=row["unified_api"],
        service_id=row["service_id"],
        context=row["context"],
        redirect_uri=row["redirect_uri"],
        nonce=row["nonce"],
        confirms=bool(row["confirms"]),
        binding_mac=row["binding_mac"],
        verifier=await _open(store, scope, _flow_place(row), row["sealed"]),
        ended=row["ended_at"] is not None,
    )
    return scope, flow


async def await_confirmation(scope: ConsumerScope, store: Store, token_mac: bytes, pending: Pending) -> None:
    """Keeps a code, sealed, until `spend_confirmation`."""
    now = store.clock.now()
    members = {
        "code": pending.code,
        "verifier": pending.verifier,
        "context": pending.context,
        "captured": pending.captured,
    }
    said = {
        **key_of(scope, pending.unified_api, pending.service_id),
        "token_mac": token_mac,
        "expires_at": now + CONFIRMATION_LIFETIME,
    }
    sealed = await _seal(store, scope, _confirmation_place(said), members)
    await store.q.run(_AWAIT, **said, sealed=sealed, now=now)


async def try_confirmation(store: Store, token_mac: bytes) -> tuple[ConsumerScope, Pending] | None:
    """What a confirm token stands for, counting the try; None if it is unknown, expired, spent or tried too often.

    IntegrityError if its row says something else than when the code was kept.
    """
    row = await store.q.one(_TRY, token_mac=token_mac, now=store.clock.now(), limit=TRIES)
    if row is None:
        return None
    scope = ConsumerScope(row["application_id"], Caller.own("confirm"), row["consumer_id"])
    opened = await _open(store, scope, _confirmation_place(row), row["sealed"])
    origin: Origin = ("confirmation", token_mac)
    return scope, Pending(unified_api=row["unified_api"], service_id=row["service_id"], origin=origin, **opened)


async def spend_confirmation(scope: ConsumerScope, store: Store, token_mac: bytes) -> bool:
    """Spends a confirm token; False if another request was quicker."""
    row = await store.q.one(
        _SPEND_CONFIRMATION,
        token_mac=token_mac,
        application_id=scope.application_id,
        now=store.clock.now(),
        emptied=b"",
    )
    return row is not None


async def end(scope: ConsumerScope, store: Store, unified_api: str, service_id: str) -> None:
    """Ends what is under way for a connection: flows, codes that wait for a confirmation, and what is being redeemed.
    For the transaction that deletes, disconnects or switches off."""
    named = {**key_of(scope, unified_api, service_id), "now": store.clock.now()}
    await store.q.run(_END, **named)
    await store.q.run(_END_CONFIRMATIONS, **named, emptied=b"")


async def is_redeeming(scope: ConsumerScope, store: Store, unified_api: str, service_id: str) -> bool:
    """Whether a code of the connection may be on its way to the provider, or its answer on the way back; of one that
    has been stored or refused it says so for a while longer."""
    since = store.clock.now() - REDEEMING
    return await store.q.one(_REDEEMING, **key_of(scope, unified_api, service_id), since=since) is not None


async def require_standing(scope: Scope, store: Store, origin: Origin) -> None:
    """InvalidStateError if what a code came from was ended meanwhile. For the transaction that keeps its grant."""
    kind, mac = origin
    row = await store.q.one(_STANDS[kind], mac=mac)
    if row is None or row["ended_at"] is not None:
        raise InvalidStateError(ENDED)


async def _fault(store: Store, state_mac: bytes) -> StateFault:
    """Why a state that we made cannot be spent."""
    row = await store.q.one(_KEPT, state_mac=state_mac)
    if row is None or row["expires_at"] <= store.clock.now():
        return "expired"  # it is ours by its MAC, so it was there
    return "other_browser" if row["spent_at"] is None else "used"


async def _seal(store: Store, scope: ConsumerScope, place: Place, value: Any) -> bytes:
    return (await store.box(scope)).seal(place, msgspec.json.encode(value))


async def _open(store: Store, scope: ConsumerScope, place: Place, sealed: bytes) -> Any:
    box = await store.box(scope, sealed)
    return msgspec.json.decode(box.open(place, sealed))


def _flow_place(said: Mapping[str, Any]) -> Place:
    """All that a callback believes of a flow: a row that was made to say something else does not open."""
    ids = (
        *_row(said, "state_mac"),
        said["context"],
        _text(said["redirect_uri"]),
        _text(said["nonce"]),
        "confirms" if said["confirms"] else "redeems",
        _text(said["binding_mac"] and said["binding_mac"].hex()),
    )
    return Place("flows", "sealed", said["application_id"], ids)


def _confirmation_place(said: Mapping[str, Any]) -> Place:
    return Place("confirmations", "sealed", said["application_id"], _row(said, "token_mac"))


def _row(said: Mapping[str, Any], mac: str) -> tuple[str, ...]:
    """Whose it is, which one, and until when it is good."""
    connection = said["consumer_id"], said["unified_api"], said["service_id"]
    return *connection, said[mac].hex(), str(said["expires_at"])


def _text(value: str | None) -> str:
    """An empty text is not the same as none."""
    return "" if value is None else f"={value}"

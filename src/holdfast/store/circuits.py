"""OAuth clients that their provider refuses: told by one row, the same to every node, by the clock of the database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from holdfast.domain.tenancy import Scope
from holdfast.errors import GrantMisconfigured
from holdfast.store import Store, new_id
from holdfast.store.engine.database import Row

# The pause between two probes (ms): half as long as it has lasted, within these.
PAUSE, PAUSE_LIMIT = 30_000, 600_000
# How long a probe may be under way before somebody else may be one (ms): longer than a token request.
PROBE: Final = 150_000

_KEY = "application_id = :application_id AND unified_api = :unified_api AND service_id = :service_id"
_CLIENT = f"{_KEY} AND client = :client"
_FIND = f"SELECT *, probe_at - :db_now AS waits FROM circuits WHERE {_CLIENT}"
_PROBE = f"UPDATE circuits SET probe_at = :db_now + :probe WHERE {_CLIENT} AND probe_at <= :db_now"
_PAUSED = f"""
CASE WHEN :db_now - circuits.opened_at < {2 * PAUSE} THEN :db_now + {PAUSE}
     WHEN :db_now - circuits.opened_at > {2 * PAUSE_LIMIT} THEN :db_now + {PAUSE_LIMIT}
     ELSE :db_now + (:db_now - circuits.opened_at) / 2 END"""
# A row of another version of the integration is as none; the second connection that is refused opens the circuit.
_REFUSED = f"""
INSERT INTO circuits (id, application_id, unified_api, service_id, client, integration, connection_id, said, code,
  status, refused_at, opened_at, probe_at)
VALUES (:id, :application_id, :unified_api, :service_id, :client, :integration, :connection_id, :said, :code, :status,
  :db_now, NULL, 0)
ON CONFLICT (application_id, unified_api, service_id, client) DO UPDATE SET
  opened_at = CASE WHEN circuits.integration <> excluded.integration THEN NULL
                   WHEN circuits.opened_at IS NULL AND circuits.connection_id <> excluded.connection_id THEN :db_now
                   ELSE circuits.opened_at END,
  probe_at = CASE WHEN circuits.integration <> excluded.integration THEN 0
                  WHEN circuits.opened_at IS NOT NULL THEN {_PAUSED}
                  WHEN circuits.connection_id <> excluded.connection_id THEN :db_now + {PAUSE}
                  ELSE 0 END,
  integration = excluded.integration, connection_id = excluded.connection_id, said = excluded.said,
  code = excluded.code, status = excluded.status, refused_at = excluded.refused_at
RETURNING *, probe_at - :db_now AS waits"""
_CLOSE = f"DELETE FROM circuits WHERE {_CLIENT} AND refused_at <= :until"
_STANDS = """
FROM circuits c JOIN integrations i ON i.application_id = c.application_id AND i.unified_api = c.unified_api
  AND i.service_id = c.service_id AND i.version = c.integration
WHERE c.opened_at IS NOT NULL AND i.enabled"""
_OPEN = f"SELECT c.*, c.probe_at - :db_now AS waits {_STANDS} AND c.application_id = :application_id"
_COUNT = f"SELECT COUNT(*) AS found {_STANDS}"


@dataclass(frozen=True, slots=True)
class Client:
    """Which OAuth client of an integration: its own (`client` is ""), or one that consumers brought."""

    unified_api: str
    service_id: str
    client: str


@dataclass(frozen=True, slots=True)
class Circuit:
    """What is known against a client. Times are ms; `opened_at` is None while one connection alone was refused.

    `integration`: the version of the integration that it holds for. `waits`: ms until somebody may try again.
    """

    client: Client
    integration: int
    said: str
    code: str | None
    status: int | None
    refused_at: int
    opened_at: int | None
    waits: int


async def find(scope: Scope, store: Store, client: Client) -> Circuit | None:
    """What is known against the client; None if nothing is."""
    row = await store.q.one(_FIND, **_named(scope, client))
    return _circuit(row) if row else None


async def probe(scope: Scope, store: Store, client: Client) -> bool:
    """Whether the caller may ask with the client, as the only one for a while."""
    return await store.q.run(_PROBE, **_named(scope, client), probe=PROBE) > 0


async def refused(
    scope: Scope, store: Store, client: Client, integration: int, connection_id: str, error: GrantMisconfigured
) -> Circuit:
    """Keeps that the provider refused the client when `connection_id` was refreshed; what is known now."""
    row = await store.q.one(
        _REFUSED,
        **_named(scope, client),
        id=new_id(),
        integration=integration,
        connection_id=connection_id,
        said=str(error.detail),
        code=error.code,
        status=error.status,
    )
    assert row is not None  # it was written
    return _circuit(row)


async def close(scope: Scope, store: Store, known: Circuit) -> bool:
    """The provider took the client: what was `known` is over. A refusal that came later stands."""
    return await store.q.run(_CLOSE, **_named(scope, known.client), until=known.refused_at) > 0


async def opened(scope: Scope, store: Store) -> list[Circuit]:
    """The clients of the application that are refused, as it is set up now."""
    return [_circuit(row) for row in await store.q.all(_OPEN, application_id=scope.application_id)]


async def count(store: Store) -> int:
    """How many clients are refused in the whole vault, for its operator."""
    row = await store.q.one(_COUNT)
    return int(row["found"]) if row else 0


def _named(scope: Scope, client: Client) -> dict[str, str]:
    return {
        "application_id": scope.application_id,
        "unified_api": client.unified_api,
        "service_id": client.service_id,
        "client": client.client,
    }


def _circuit(row: Row) -> Circuit:
    return Circuit(
        client=Client(row["unified_api"], row["service_id"], row["client"]),
        integration=row["integration"],
        said=row["said"],
        code=row["code"],
        status=row["status"],
        refused_at=row["refused_at"],
        opened_at=row["opened_at"],
        waits=row["waits"],
    )

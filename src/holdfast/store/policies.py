"""The rules of an application's proxy, as one document that is replaced whole."""

from __future__ import annotations

from typing import Final

import msgspec

from holdfast.domain.policy import Effect, Policy, Rule
from holdfast.domain.tenancy import Scope
from holdfast.errors import ConflictError
from holdfast.store import Store

_READ: Final = "SELECT rules, version FROM proxy_policies WHERE application_id = :application_id"
_ADD: Final = """
INSERT INTO proxy_policies (application_id, rules, version, updated_at) VALUES (:application_id, :rules, 1, :now)
ON CONFLICT (application_id) DO NOTHING"""
_UPDATE: Final = """
UPDATE proxy_policies SET rules = :rules, version = version + 1, updated_at = :now
WHERE application_id = :application_id AND version = :version"""


class _Row(msgspec.Struct, omit_defaults=True):
    effect: Effect
    service_id: str | None = None
    methods: list[str] | None = None
    path: str | None = None


_decode = msgspec.json.Decoder(list[_Row]).decode


async def policy(scope: Scope, store: Store) -> Policy:
    """The application's rules; none if nobody has made any."""
    row = await store.q.one(_READ, application_id=scope.application_id)
    rows = _decode(row["rules"]) if row else []
    rules = tuple(Rule(r.effect, r.service_id, _set(r.methods), r.path) for r in rows)
    return Policy(rules, row["version"] if row else 0)


async def replace(scope: Scope, store: Store, policy: Policy) -> None:
    """Puts these rules in the place of those that were read; ConflictError if somebody else's change came first."""
    rows = [
        _Row(r.effect, r.service_id, None if r.methods is None else sorted(r.methods), r.path) for r in policy.rules
    ]
    rules = msgspec.json.encode(rows).decode()
    said = {"application_id": scope.application_id, "rules": rules, "now": store.clock.now()}
    written = await (
        store.q.run(_UPDATE, **said, version=policy.version) if policy.version else store.q.run(_ADD, **said)
    )
    if not written:
        raise ConflictError()


def _set(methods: list[str] | None) -> frozenset[str] | None:
    return None if methods is None else frozenset(methods)

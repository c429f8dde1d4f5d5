"""The rules of an application's proxy, as one document that is replaced whole."""

from __future__ import annotations

from typing import Final

import msgspec

from holdfast.domain.policy import Effect, Policy, Rule
from holdfast.domain.tenancy import Scope
from holdfast.store import Store

_READ: Final = "SELECT rules FROM proxy_policies WHERE application_id = :application_id"
_WRITE: Final = """
INSERT INTO proxy_policies (application_id, rules, updated_at) VALUES (:application_id, :rules, :now)
ON CONFLICT (application_id) DO UPDATE SET rules = :rules, updated_at = :now"""


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
    return Policy(tuple(Rule(r.effect, r.service_id, _set(r.methods), r.path) for r in rows))


async def replace(scope: Scope, store: Store, policy: Policy) -> None:
    """Puts these rules in the place of those there are."""
    rows = [
        _Row(r.effect, r.service_id, None if r.methods is None else sorted(r.methods), r.path) for r in policy.rules
    ]
    rules = msgspec.json.encode(rows).decode()
    await store.q.run(_WRITE, application_id=scope.application_id, rules=rules, now=store.clock.now())


def _set(methods: list[str] | None) -> frozenset[str] | None:
    return None if methods is None else frozenset(methods)

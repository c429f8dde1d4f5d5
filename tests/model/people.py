"""What people do, at any time: come back with a code, delete, call; and what we owe to be revoked because of it."""

from __future__ import annotations

from collections.abc import Iterator

from tests.model.decisions import owing, store_consent
from tests.model.guards import Case
from tests.model.states import NONE, Answer, Debt, Grant, Move, Redemption, Row, State


def moves(case: Case, state: State) -> Iterator[Move]:
    """Everything that people, redemptions under way and the outbox of revocations can do."""
    for plan in set(state.plans):
        left = list(state.plans)
        left.remove(plan)
        yield from PLANS[plan](case, state._replace(plans=tuple(left)))
    for redemption in state.redemptions:
        yield from _redeeming(case, state, redemption)
    for debt in state.debts:
        yield _settles(case, state, debt)


def _calls(case: Case, state: State) -> Iterator[Move]:
    for n, node in enumerate(state.nodes):
        if node.condition == "up":
            yield Move(n, "is called", "event", state.node(n, callers=node.callers + 1))


def _deletes(case: Case, state: State) -> Iterator[Move]:
    if state.row:
        gone = owing(case.written(state, None), state.row.token)
        yield Move(None, "the connection is deleted", "event", gone)


def _consents(case: Case, state: State) -> Iterator[Move]:
    n = 1 if any(r.node == 0 for r in state.redemptions) else 0
    if state.nodes[n].condition != "up" or not state.nodes[n].linked:
        return
    row = state.row or Row(id=1, token=NONE, access="expired", refusal="told")
    if case.guards.numbers_consents:
        row = row._replace(attempt=row.attempt + 1, redeeming=row.attempt + 1)
    redemption = Redemption(n, "redeem", row.id, row.attempt)
    begun = case.written(state, row)._replace(redemptions=(*state.redemptions, redemption))
    yield Move(n, "meets somebody who comes back with a code", "event", begun)


PLANS = {"caller": _calls, "delete": _deletes, "consent": _consents}


def _redeeming(case: Case, state: State, redemption: Redemption) -> Iterator[Move]:
    node = state.nodes[redemption.node]
    if node.condition != "up":
        return
    others = tuple(r for r in state.redemptions if r != redemption)
    if redemption.at == "redeem":
        yield Move(redemption.node, "redeems the code", "step", _redeemed(case, state, redemption, others))
    elif node.linked:
        yield from _stores(case, state, redemption, others)


def _redeemed(case: Case, state: State, redemption: Redemption, others: tuple[Redemption, ...]) -> State:
    token, family = len(state.grant_of), len(state.grants)
    granted = state._replace(grants=(*state.grants, Grant(True, token)), grant_of=(*state.grant_of, family))
    redeemed = redemption._replace(at="store", token=token)
    if case.guards.spools:
        kept = (*state.nodes[redemption.node].spool, _answer(redeemed))
        granted = granted.node(redemption.node, spool=kept)
    return granted._replace(redemptions=(*others, redeemed))


def _answer(redemption: Redemption) -> Answer:
    return Answer("consent", redemption.id, 0, redemption.number, redemption.token, redemption.number)


def _stores(case: Case, state: State, redemption: Redemption, others: tuple[Redemption, ...]) -> Iterator[Move]:
    n, answer = redemption.node, _answer(redemption)
    stored = store_consent(case, state, answer)
    if case.allows(state, "ack"):
        unsure = case.struck(stored.state, "ack")
        yield Move(n, f"{stored.what}, and is not told so", "fault", unsure, stored.broken)
    left = tuple(a for a in stored.state.nodes[n].spool if a != answer)
    yield Move(n, stored.what, "step", stored.state.node(n, spool=left)._replace(redemptions=others), stored.broken)


def _settles(case: Case, state: State, debt: Debt) -> Move:
    settled = state._replace(debts=tuple(d for d in state.debts if d != debt))
    family, row = state.family(debt.token), state.row
    wanted = row is not None and (row.refusal != "told" or row.redeeming > 0)
    reaches = row is not None and (state.family(row.token) == family or case.world.account_wide)
    if case.guards.supersedes and wanted and reaches:
        return Move(None, "a revocation is superseded", "event", settled)
    ended = set(range(len(state.grants))) if case.world.account_wide else {family}
    grants = tuple(Grant(False, g.current) if f in ended else g for f, g in enumerate(state.grants))
    broken = "S2 our clean-up ends the grant in force" if _in_force(state, ended) else None
    return Move(None, "a revocation is sent", "event", settled._replace(grants=grants), broken)


def _in_force(state: State, ended: set[int]) -> bool:
    row = state.row
    if row is None:
        return False
    family = state.family(row.token)
    if row.refusal != "told" and row.token != NONE and family in ended and state.grants[family].alive:
        return True
    return any(
        r.token != NONE and r.id == row.id and r.number > row.consent and state.family(r.token) in ended
        for r in state.redemptions
    )

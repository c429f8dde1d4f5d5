"""Ways to the damage: nodes that want the same token, and consents that come in between."""

from __future__ import annotations

from tests.simulation.schedule import schedule
from tests.simulation.script import Case, Script, result

KEEPS = "asks keep.keep_refreshed"


@schedule("two-users", Case("family", ends="grant"))
def two_users(script: Script) -> None:
    """Two consents at once: the one with the greater number stays, whichever is stored last."""
    world = script.world
    script.until(50)
    first = world.reconnect(0)
    script.go(0, to="connects")
    second = world.reconnect(1)
    script.go(1)
    assert second.done()
    stored = world.laws.row
    script.wait(1)
    assert first.done()
    assert world.laws.row == stored


@schedule("account", Case("family", ends="grant"))
def account(script: Script) -> None:
    """The older of two consents is owed its end, where that would end the newer one with it: it is not asked for."""
    two_users(script)
    script.wait(200)
    script.world.work(0)
    script.wait(5)


@schedule("redeeming", Case("family", ends="grant"))
def redeeming(script: Script) -> None:
    """A grant is owed its end, and a code of the same account is being redeemed: the end has to wait."""
    world = script.world
    script.until(50)
    world.delete(0)
    script.go(0, to="connects")
    world.kill(0, for_seconds=500)
    world.reconnect(1)
    script.go(1, to="asks keep.keep_new")
    world.start(0)
    script.wait(65, but=(1,))
    world.work(0)
    script.wait(5, but=(1,))
    script.wait(1)
    assert world.laws.row is not None
    assert world.provider.is_current(world.laws.row.refresh_token)


@schedule("lock-only", Case("family", lock="session"))
def lock_only(script: Script) -> None:
    """The lock's session dies while the request is on its way: the lease still keeps the others out."""
    world = script.world
    script.until(100)
    script.fate.next = [(4000, 4000)]
    world.call(0, force=True)
    script.pass_gate(0, "sends")
    world.lose_session(0)
    caller = world.call(1, force=True)
    script.wait(12)
    assert result(caller) == "ok"
    assert world.provider.presented == ["rt-1"]


@schedule("moves")
def moves(script: Script) -> None:
    """Two want the token at once, and each is held up before it sends: the first one gets it all the same."""
    world = script.world
    script.until(310)
    callers = [world.call(0), world.call(1)]
    script.stays = ("asks presentations.mark",)
    for _ in range(40):
        script.wait(1)
        if held := [gate for gate in world.open_gates() if gate.what.startswith(script.stays)]:
            world.let_through(held[0])
    script.stays = ()
    script.wait(5)
    assert [result(caller) for caller in callers] == ["ok", "ok"]
    assert world.provider.presented == ["rt-1"]


@schedule("moves-leases", Case("family", lock="none"))
def moves_leases(script: Script) -> None:
    """The same without a lock: the lease of a claim keeps the other one out."""
    moves(script)


@schedule("look")
def look(script: Script) -> None:
    """A node has read the row, and another one stores the next token before the first has its lock."""
    world = script.world
    script.until(100)
    world.call(1, force=True)
    script.go(1, to="takes the lock")
    first = world.call(0, force=True)
    script.go(0)
    assert result(first) == "ok"
    script.wait(5)


@schedule("fence")
def fence(script: Script) -> None:
    """A node loses its lock before it marks; the other one claims and sends: the first finds out in time."""
    world = script.world
    script.until(100)
    world.call(0, force=True)
    script.go(0, to="asks presentations.mark")
    world.lose_session(0)
    world.call(1, force=True)
    script.pass_gate(1, "sends")
    script.acts(1)
    script.go(0)
    script.wait(10)
    assert world.provider.presented == ["rt-1"]


@schedule("cas")
def cas(script: Script) -> None:
    """The customer connects again while a refresh is on its way: its answer does not take the newer grant's place."""
    world = script.world
    script.until(290)
    world.call(0)
    script.go(0, to=KEEPS)
    world.reconnect(1)
    script.go(1)
    script.wait(2)
    world.work(1)
    script.wait(2)


@schedule("id")
def anew(script: Script) -> None:
    """Deleted and connected anew while a refresh is on its way: generations count from the start again, ids do not."""
    world = script.world
    script.until(290)
    world.call(0)
    script.go(0, to=KEEPS)
    world.delete(1)
    script.go(1)
    world.reconnect(1)
    script.go(1)
    script.wait(2)


@schedule("refusal")
def refusal(script: Script) -> None:
    """The grant was ended at the provider; the refusal comes when the customer has connected again."""
    world = script.world
    script.until(310)
    world.provider.families[0].alive = False
    caller = world.call(0)
    script.go(0, to="asks failure.note")
    world.reconnect(1)
    script.go(1)
    script.wait(2)
    assert result(caller) == "ok"


@schedule("clock", Case("family", lock="none", skews=(0, 700_000)))
def clock(script: Script) -> None:
    """A node's clock is ahead by more than all patience: it takes nothing away from one that is at it."""
    world = script.world
    script.until(100)
    script.fate.next = [(4000, 4000)]
    world.call(0, force=True)
    script.pass_gate(0, "sends")
    world.call(1, force=True)
    script.wait(12)
    assert world.provider.presented == ["rt-1"]

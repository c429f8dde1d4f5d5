"""Ways to the damage: answers, acknowledgements and databases that are lost for a while or for good."""

from __future__ import annotations

from tests.simulation.schedule import schedule
from tests.simulation.script import Case, Script, result

KEEPS = "asks keep.keep_refreshed"
STRICT = Case("strict")
GRACE = Case("grace")


@schedule("ack")
def ack(script: Script) -> None:
    """The new token is stored, and its acknowledgement is lost: the retry finds what it has stored itself."""
    world = script.world
    script.until(280)
    caller = world.call(0)
    script.go(0, to="kept keep.keep_refreshed")
    world.lose_acknowledgement(0)
    script.wait(5)
    world.work(1)
    script.wait(5)
    assert result(caller) == "ok"
    assert not world.laws.owed


@schedule("cut", GRACE)
def cut(script: Script) -> None:
    """A node is cut off with the answer; another one claims inside the window, and dies; the first comes back."""
    world = script.world
    script.until(100)
    world.call(0, force=True)
    script.go(0, to=KEEPS)
    world.cut(0)
    script.wait(33)
    world.call(1, force=True)
    script.go(1, to="sends")
    world.kill(1, for_seconds=400)
    script.wait(10)
    world.link(0)
    script.wait(20)
    assert world.laws.row is not None
    assert world.laws.row.refresh_token == "rt-2"


@schedule("strict", STRICT)
def strict(script: Script) -> None:
    """The answer is lost while the access token is good: it is not spent again."""
    world = script.world
    script.until(100)
    world.call(0, force=True)
    script.pass_gate(0, "sends")
    script.acts(0)
    script.breaks(0)
    script.wait(40)
    world.call(1, force=True)
    script.wait(40)
    assert world.provider.presented == ["rt-1"]


@schedule("family")
def family(script: Script) -> None:
    """The same where a replay ends the grant."""
    strict(script)


@schedule("grace", GRACE)
def grace(script: Script) -> None:
    """The answer is lost, and the window is over when somebody wants the token again."""
    world = script.world
    script.until(100)
    world.call(0, force=True)
    script.pass_gate(0, "sends")
    script.acts(0)
    script.breaks(0)
    script.wait(70)
    world.call(1, force=True)
    script.wait(10)
    assert world.provider.presented == ["rt-1"]


@schedule("grace-inside", GRACE)
def grace_inside(script: Script) -> None:
    """The answer is lost, and the token is presented again inside the window: nothing is lost."""
    world = script.world
    script.until(100)
    world.call(0, force=True)
    script.pass_gate(0, "sends")
    script.acts(0)
    script.breaks(0)
    script.wait(40)
    caller = world.call(1, force=True)
    script.wait(10)
    assert result(caller) == "ok"
    assert world.laws.row is not None
    assert world.laws.row.refresh_token == "rt-2"


@schedule("slow")
def slow(script: Script) -> None:
    """The provider takes longer than callers wait: they are told to come back, and the answer is kept."""
    world = script.world
    script.until(310)
    script.fate.next = [(1000, 60_000)]
    caller = world.call(0)
    script.wait(30)
    assert result(caller) == "Unavailable"
    script.wait(60)
    assert world.laws.row is not None
    assert world.laws.row.refresh_token == "rt-2"


@schedule("settle-broken", Case("family", skews=(0, 40_000)))
def settle_broken(script: Script) -> None:
    """The connection breaks while the request is on its way: the same, though another node's clock is ahead."""
    world = script.world
    script.until(310)
    script.fate.next = [(20_000, 0)]
    world.call(0)
    script.pass_gate(0, "sends")
    script.breaks(0, arrives_later=True)
    script.wait(1)
    world.call(1)
    script.wait(9)
    assert world.provider.presented == []
    script.wait(60)


@schedule("detached")
def detached(script: Script) -> None:
    """The caller hangs up when the provider has acted: the answer is kept all the same."""
    world = script.world
    script.until(290)
    caller = world.call(0)
    script.pass_gate(0, "sends")
    script.acts(0)
    world.hang_up(caller, "n0")
    script.wait(5)
    assert world.laws.row is not None
    assert world.laws.row.refresh_token == "rt-2"


@schedule("hold")
def hold(script: Script) -> None:
    """The database is away for long when the answer is here: it is stored when the database is back."""
    world = script.world
    script.until(290)
    world.call(0)
    script.go(0, to=KEEPS)
    world.cut(0, 60)
    world.fill_disk(0)
    script.wait(70)
    assert world.laws.row is not None
    assert world.laws.row.refresh_token == "rt-2"


@schedule("hold-full")
def hold_full(script: Script) -> None:
    """The same with a disk that takes nothing: memory alone has the answer."""
    world = script.world
    world.fill_disk(0)
    script.until(290)
    world.call(0)
    script.go(0, to=KEEPS)
    world.cut(0, 60)
    script.wait(70)
    assert world.laws.row is not None
    assert world.laws.row.refresh_token == "rt-2"


@schedule("two-kinds", Case("family", nodes=2))
def two_kinds(script: Script) -> None:
    """A refresh and a code of one number wait for the database on one disk: neither takes the other's place."""
    world = script.world
    script.until(100)
    first = world.call(0, force=True)
    script.wait(2)
    assert result(first) == "ok"
    world.reconnect(0)
    script.stays = ("asks keep.keep_new",)
    script.go(0)
    world.call(0, force=True)
    script.go(0, to=KEEPS)
    world.cut(0)
    script.stays = ()
    script.wait(3)
    world.kill(0)
    script.wait(20)

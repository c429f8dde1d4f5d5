"""The ways to the damage that were found, step by step. With every safety in place they all end well."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.simulation.script import Case, Diverged, Script, Violation, result, scripted
from tests.simulation.stage import Stage

KEEPS = "asks keep.keep_refreshed"


@dataclass(frozen=True)
class Schedule:
    """`what` happens, in which world, and what is asked of it at the end beside the laws."""

    name: str
    what: str
    case: Case
    play: Callable[[Script], None]


SCHEDULES: list[Schedule] = []


def schedule(name: str, case: Case | None = None) -> Callable[[Callable[[Script], None]], Callable[[Script], None]]:
    """Enters a schedule under its name."""

    def enter(play: Callable[[Script], None]) -> Callable[[Script], None]:
        SCHEDULES.append(Schedule(name, " ".join((play.__doc__ or "").split()), case or Case(), play))
        return play

    return enter


def played(stage: Stage, one: Schedule) -> None:
    """Plays a schedule to its end. Violation, AssertionError, or Diverged if the product takes another way."""
    with scripted(stage, one.case) as script:
        one.play(script)
        script.end()


def caught_by(stage: Stage, one: Schedule) -> str:
    """What is wrong when the schedule is played; empty if nothing is."""
    try:
        played(stage, one)
    except Violation as violation:
        return str(violation).splitlines()[0]
    except (AssertionError, Diverged) as other:
        return f"it ends otherwise ({type(other).__name__})"
    return ""


FAMILY, STRICT, GRACE = Case("family"), Case("strict"), Case("grace")
SHARED = Case("family", lock="file", shared=True)


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


@schedule("kill")
def kill(script: Script) -> None:
    """Killed when the answer was on its disk: nobody replays what this disk alone can save, until it is back."""
    world = script.world
    script.until(290)
    world.call(0)
    script.pass_gate(0, "refresh.spooled")
    world.kill(0, for_seconds=300)
    for _ in range(4):
        caller = world.call(1)
        script.wait(60)
    assert result(caller) == "Unavailable"
    script.wait(120)
    assert world.laws.row is not None
    assert world.laws.row.refresh_token == "rt-2"


@schedule("kill-shared", SHARED)
def kill_shared(script: Script) -> None:
    """Killed when the answer was on the disk that all share: the next caller gets it at once."""
    world = script.world
    script.until(290)
    world.call(0)
    script.pass_gate(0, "refresh.spooled")
    world.kill(0, for_seconds=300)
    caller = world.call(1)
    script.wait(5)
    assert result(caller) == "ok"
    assert world.provider.presented == ["rt-1"]


@schedule("forgets", GRACE)
def forgets(script: Script) -> None:
    """Two die one after the other, the second inside the window: the third one knows of the first presentation."""
    world = script.world
    script.until(100)
    world.call(0, force=True)
    script.pass_gate(0, "sends")
    script.acts(0)
    world.kill(0, for_seconds=150)
    script.wait(33)
    world.call(1, force=True)
    script.go(1, to="refresh.claimed")
    world.kill(1)
    script.wait(45)
    world.call(1, force=True)
    script.wait(10)


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


@schedule("stopped")
def stopped(script: Script) -> None:
    """A process is stopped for longer than it would wait for the answer, which arrives meanwhile: it is read."""
    world = script.world
    script.until(290)
    world.call(0)
    script.pass_gate(0, "sends")
    script.acts(0)
    world.pause(0, 400)
    script.wait(410)
    assert world.laws.row is not None
    assert world.laws.row.refresh_token == "rt-2"


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


@schedule("any-length")
def any_length(script: Script) -> None:
    """Stopped at the socket for longer than all patience, its lock kept: nobody else sends."""
    world = script.world
    script.until(310)
    world.call(0)
    script.go(0, to="sends")
    world.pause(0, 1500)
    for _ in range(14):
        world.call(1)
        script.wait(100)
    script.wait(200)
    assert world.provider.presented == ["rt-1"]


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


@schedule("mark")
def mark(script: Script) -> None:
    """Killed after it has sent: the next one knows that the token has left."""
    world = script.world
    script.until(100)
    world.call(0, force=True)
    script.pass_gate(0, "sends")
    script.acts(0)
    world.kill(0, for_seconds=100)
    world.call(1, force=True)
    script.wait(40)
    assert world.provider.presented == ["rt-1"]


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


@schedule("elapsed")
def elapsed(script: Script) -> None:
    """Stopped between mark and guard for longer than lease and patience, its lock lost: it does not send any more."""
    world = script.world
    script.until(310)
    world.call(0)
    script.go(0, to="refresh.marked")
    world.lose_session(0)
    world.pause(0, 700)
    script.wait(650)
    world.call(1)
    script.wait(100)
    assert world.laws.row is not None
    assert world.laws.row.refresh_token == "rt-2"


@schedule("settle", Case("family", lock="file", shared=True))
def settle(script: Script) -> None:
    """Killed while its request is on its way: nobody presents the token again before that can arrive no more."""
    world = script.world
    script.until(310)
    script.fate.next = [(20_000, 0)]
    world.call(0)
    script.pass_gate(0, "sends")
    world.kill(0, for_seconds=60)
    world.call(1)
    script.wait(1)
    world.call(1)
    script.wait(9)
    assert world.provider.presented == []
    script.wait(60)


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


@schedule("revive", STRICT)
def revive(script: Script) -> None:
    """A node stays away with the answer for longer than patience; the replay is refused; then it comes back."""
    world = script.world
    script.until(310)
    world.call(0)
    script.pass_gate(0, "refresh.spooled")
    world.kill(0, for_seconds=1000)
    script.wait(640)
    world.call(1)
    script.wait(20)
    assert world.laws.row is not None
    assert world.laws.row.rejected
    script.wait(400)
    assert world.laws.row.refresh_token == "rt-2"
    assert not world.laws.row.failed


@schedule("told")
def told(script: Script) -> None:
    """Killed after it has sent: that is told within a minute after it has settled, and once."""
    world = script.world
    script.until(290)
    world.call(0)
    script.pass_gate(0, "sends")
    script.acts(0)
    world.kill(0, for_seconds=400)
    script.wait(100)


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


@schedule("closing")
def closing(script: Script) -> None:
    """The process is told to end before the token has left: it is not sent, and nobody waits for that."""
    world = script.world
    script.until(310)
    caller = world.call(0)
    script.go(0, to="connects")
    world.process(0).vault.flights.close()
    script.go(0)
    assert result(caller) == "Unavailable"
    assert world.laws.row is not None
    assert (world.laws.row.attempt, world.provider.presented) == (1, [])
    world.kill(0)


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

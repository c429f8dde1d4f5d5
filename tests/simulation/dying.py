"""Ways to the damage: processes that die or are stopped, and what is known of them afterwards."""

from __future__ import annotations

from tests.simulation.schedule import schedule
from tests.simulation.script import Case, Script, result

STRICT = Case("strict")
GRACE = Case("grace")
SHARED = Case("family", lock="file", shared=True)


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

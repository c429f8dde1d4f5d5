"""How every run ends: what is broken is mended, and then it has to come to an end (S5)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.simulation.laws import Violation
from tests.simulation.world import Prompt, World

STEPS = 12_000
# So often a caller comes, 100 seconds apart: longer than a lease, all patience and a token's life together.
ROUNDS = 16


def put_right(world: World) -> None:
    """Nodes that are down start, the others go on, the database is there, the disks take what they are given."""
    world.fate = Prompt()
    for node in world.nodes:
        node.full = False
        if node.running is None and not node.gone:
            world.start(node.number)
        elif node.running is not None:
            node.running.forgets = node.running.refuses = 0
            if node.running.paused:
                world.resume(node.number)
            if not node.running.linked:
                world.link(node.number)


def finish(world: World, step: Callable[[], bool], choose: Callable[[Sequence[int]], int]) -> None:
    """Callers come until the connection is fresh or flagged. Violation if it never is, or if one of them waits."""
    for _ in range(ROUNDS):
        up = [node.number for node in world.nodes if node.running is not None]
        world.call(choose(up))
        world.work(choose(up))
        _calm(world, step, 100_000)
        if is_over(world):
            break
    else:
        raise Violation(f"S5 it does not come to an end\n{world.laws.row}\n{world.told()}")
    _calm(world, step, 60_000)
    if waiting := [name for name in world.waiting() if "caller" in name]:
        raise Violation(f"S5 {waiting} wait for ever\n{world.told()}")


def is_over(world: World) -> bool:
    """Whether the row has a token that lives, or says that its customer has to connect again, or is gone."""
    row, provider = world.laws.row, world.provider
    if row is None or not row.granted or row.rejected:
        return True
    return not row.failed and not row.presentations and provider.is_current(row.refresh_token)


def _calm(world: World, step: Callable[[], bool], ms: int) -> None:
    end = world.loop.now + ms
    for _ in range(STEPS):
        if world.loop.now >= end or not step():
            return
    raise Violation(f"S5 there is always something to do\n{world.told()}")

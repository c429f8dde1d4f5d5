"""Faults on purpose, at named points of a refresh, so that a test can break a process exactly there.

`HOLDFAST_FAILPOINT="refresh.sent=kill"` arms a point; several are separated by commas, and `=stop@2` waits for the
second time that the point is reached. Nothing is armed unless the setting is given; a point then costs one call.

    kill          the process ends at once, as by SIGKILL
    stop          the process is stopped, as by SIGSTOP, until somebody continues it
    wait:SECONDS  the point takes so long
    unavailable   what was about to happen, or has happened, is answered like a database that is away
    full          the disk is full
"""

from __future__ import annotations

import asyncio
import errno
import os
import signal
from typing import Final

from holdfast.errors import SettingsError, Unavailable

POINTS: Final = (
    "refresh.begun", "refresh.locked", "refresh.claimed", "refresh.marked", "refresh.guarded", "refresh.answered",
    "refresh.spooling", "refresh.spooled", "refresh.storing", "refresh.stored", "refresh.cleaned",
    "refresh.unanswered", "refresh.taken_back", "refresh.refused",
    "redeem.numbered", "redeem.answered", "redeem.spooled", "redeem.storing", "redeem.stored",
    "recovery.found", "recovery.stored", "recovery.spoken_for",
)  # fmt: skip
ACTIONS: Final = ("kill", "stop", "wait", "unavailable", "full")

_armed: dict[str, list[tuple[str, int]]] = {}


def arm(text: str) -> None:
    """Arms the points of `text`, and no other. SettingsError for one that is not there."""
    _armed.clear()
    for word in filter(None, text.split(",")):
        point, _, what = word.strip().partition("=")
        action, _, times = what.partition("@")
        if point not in POINTS or action.partition(":")[0] not in ACTIONS:
            raise SettingsError(
                f"HOLDFAST_FAILPOINT: {word!r} is not POINT=ACTION. The points are {', '.join(POINTS)}."
            )
        _armed.setdefault(point, []).append((action, int(times or 1)))


async def at(point: str) -> None:
    """Does what is armed at `point`, if anything is."""
    if _armed:
        await _reached(point)


async def _reached(point: str) -> None:
    waiting = _armed.pop(point, [])
    left = [(action, times - 1) for action, times in waiting if times > 1]
    if left:
        _armed[point] = left
    for action, times in waiting:
        if times == 1:
            await _do(action)


async def _do(action: str) -> None:
    kind, _, value = action.partition(":")
    if kind == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif kind == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif kind == "wait":
        await asyncio.sleep(float(value))
    elif kind == "full":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    else:
        raise Unavailable("The database cannot be used right now (a fault on purpose).")

"""An event loop of one thread in which time stands still until it is told to pass, and processes can be stopped.

Whatever runs belongs to the process that is in its context (`PROCESS`). A process that is dead never runs again, in no
`finally` either, and one that is paused runs later: what was due meanwhile is kept for it. What would go to a thread is
done at once. So a run depends on nothing but what is chosen, and the same choices give the same run.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Callable
from contextvars import Context, ContextVar, copy_context
from typing import Any


class Process:
    """What can be stopped as a whole, as by SIGKILL or SIGSTOP."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.paused = False
        self.kept: list[asyncio.Handle] = []


PROCESS: ContextVar[Process | None] = ContextVar("process", default=None)


class VirtualLoop(asyncio.AbstractEventLoop):
    """`now` in milliseconds. `complaints` are errors that nobody took."""

    def __init__(self, now: int) -> None:
        self.now = now
        self.complaints: list[str] = []
        self.tasks: list[asyncio.Task[Any]] = []  # a dead process's tasks must not be collected: that would end them
        self._ready: deque[tuple[Process | None, asyncio.Handle]] = deque()
        self._timers: list[tuple[int, int, Process | None, asyncio.TimerHandle]] = []
        self._order = itertools.count()

    def settle(self) -> None:
        """Runs whatever can run, until nothing is left to do at this moment."""
        while self._ready:
            process, handle = self._ready.popleft()
            if handle.cancelled():
                continue
            if process is not None and (process.paused or not process.alive):
                process.kept.append(handle)
            else:
                handle._run()

    def resume(self, process: Process) -> None:
        process.paused = False
        self._ready.extend((process, handle) for handle in process.kept)
        process.kept.clear()

    def next_timer(self) -> int | None:
        """The moment of the next timer of somebody who lives."""
        while self._timers:
            at, _, process, handle = self._timers[0]
            if not handle.cancelled() and (process is None or process.alive):
                return at
            heapq.heappop(self._timers)
        return None

    def pass_to(self, moment: int) -> None:
        """Lets time pass, and makes ready what falls due, in order."""
        self.now = max(self.now, moment)
        while (at := self.next_timer()) is not None and at <= self.now:
            _, _, process, handle = heapq.heappop(self._timers)
            self._ready.append((process, handle))

    def forget(self) -> None:
        """Nothing of what was under way is left."""
        self._ready.clear()
        self._timers.clear()
        self.complaints.clear()
        self.tasks.clear()

    # --- what asyncio asks of a loop

    def time(self) -> float:
        return self.now / 1000

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, *, name: Any = None, context: Any = None, **_: Any) -> asyncio.Task[Any]:
        task = asyncio.Task(coro, loop=self, name=name, context=context)
        self.tasks.append(task)
        return task

    def call_soon(  # type: ignore[override]
        self, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        context = context or copy_context()
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append((context.get(PROCESS), handle))
        return handle

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        context = context or copy_context()
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        moment = max(self.now, -int(-when * 1000 // 1))
        heapq.heappush(self._timers, (moment, next(self._order), context.get(PROCESS), handle))
        return handle

    def run_in_executor(self, executor: object, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - it goes to whoever waits, as from a thread
            done.set_exception(error)
        return done

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It is passed over when its time comes."""

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.complaints.append(f"{context.get('message')}: {context.get('exception')!r}")

    def complete(self, coro: Any, context: Context | None = None) -> Any:
        """What `coro` gives, which waits for nobody but itself."""
        task = self.create_task(coro, context=context)
        self.settle()
        return task.result()

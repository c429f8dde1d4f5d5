"""A second node on the vault's database: `holdfast serve` in a process of its own, which breaks where it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from holdfast.demo.product import Unexpected

# Seconds until it serves, and until it has died of what it was told to die of.
START, DEATH = 30.0, 30.0
_ADDRESS = re.compile(r"serves (http://\S+)")


@dataclass(frozen=True, slots=True)
class Node:
    """A running node."""

    url: str
    process: asyncio.subprocess.Process

    async def killed(self) -> bool:
        """Whether it ends by SIGKILL, within a while."""
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(self.process.wait(), DEATH) == -signal.SIGKILL
        return False


@contextlib.asynccontextmanager
async def second_node(settings: Mapping[str, str], failpoint: str) -> AsyncIterator[Node]:
    """A node with these settings, armed with `failpoint`, which is gone when the block ends."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "holdfast", "serve", "--port", "0", "--no-worker",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        env={**settings, "HOLDFAST_FAILPOINT": failpoint},
    )  # fmt: skip
    try:
        yield Node(await _address(process), process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _address(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(START):
            async for line in process.stdout:
                if found := _ADDRESS.search(line.decode()):
                    return found[1]
    raise Unexpected("the second node does not serve")

"""The sandbox provider with people who have connected already: `python -m tests.bench.provider PORT COUNT FILE`.

Their refresh tokens are in FILE, one a line, once it answers. When it is told to end, FILE says how often one of them
was sent to it.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from tests.bench.seed import CLIENT_ID, CLIENT_SECRET

from holdfast.testing.provider import RegisteredClient, SandboxProvider

CLIENT = RegisteredClient(CLIENT_ID, CLIENT_SECRET, ("http://127.0.0.1:8000/vault/callback",), "Bench")


async def serve(port: int, count: int, file: Path) -> None:
    """Serves until SIGTERM."""
    provider = SandboxProvider(clients=[CLIENT])
    issued = {token.value for _ in range(count) if (token := provider.issue().refresh)}
    file.write_text("\n".join(issued))
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    async with provider.serve(port=port):
        await ended.wait()
    sent = [request.form.get("refresh_token") for request in provider.received]
    file.write_text(str(sum(token in issued for token in sent)))


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))

"""`holdfast demo`: a vault and a provider on this machine, and a story that really happens between them.

- `stage`     the vault and the provider, as they would run anywhere, in a directory that goes away afterwards
- `node`      a second vault on the same database, which is killed
- `product`   the backend of a product that uses the vault: two dozen lines of HTTP
- `story`     what happens, step by step, each step checked
- `teller`    how it looks in the terminal

Nothing is staged in the other sense: what is printed was answered over HTTP a moment before. A step that is not
as it should be ends the demo with exit status 1.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import tempfile
from pathlib import Path

import click

from holdfast.demo.stage import staged
from holdfast.demo.story import invite, tell
from holdfast.demo.teller import Teller
from holdfast.server import listening, logs


@click.command()
@click.option("--exit", "exits", is_flag=True, help="End after the story instead of leaving the vault running.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port of the vault.  [default: 8000, or a free one]")
@click.option("--record", type=click.Path(dir_okay=False, path_type=Path), help="Save what was printed as an SVG.")
@click.option(
    "--break", "broken", metavar="ENDPOINT",
    help="Let the provider answer 503 at ENDPOINT (authorize, token, token:refresh_token, api, revoke), to see what "
    "the vault makes of it.",
)  # fmt: skip
def demo(exits: bool, port: int | None, record: Path | None, broken: str | None) -> None:
    """See it work: a vault, a sandbox provider, a customer who connects an account.

    Everything runs on this machine and is removed again at the end. Settings in the environment are not read.
    """
    logs.configure("warning")
    with tempfile.TemporaryDirectory(prefix="holdfast-demo-") as directory:
        listening.run(_demo(Path(directory), _listener(port), Teller(record), exits, broken))


async def _demo(directory: Path, listener: socket.socket, teller: Teller, exits: bool, broken: str | None) -> None:
    teller.open()
    async with staged(directory, listener, teller.request, broken) as stage:
        product = await tell(stage, teller)
        teller.close(stage.counts())
        if not exits:
            teller.invite(await invite(stage, product))
            await _until_stopped()


async def _until_stopped() -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows' event loop takes no handlers
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await stopped.wait()


def _listener(port: int | None) -> socket.socket:
    """On the port that was asked for; if none was, on the usual one, or a free one if that is taken."""
    if port is not None:
        return listening.listen("127.0.0.1", port)
    try:
        return listening.listen("127.0.0.1", 8000)
    except click.ClickException:
        return listening.listen("127.0.0.1", 0)

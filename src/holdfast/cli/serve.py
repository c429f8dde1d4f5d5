"""`holdfast serve`: the vault, as long as nobody stops it."""

from __future__ import annotations

import ipaddress
import multiprocessing
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import click
import structlog
from starlette.types import ASGIApp

from holdfast import __version__, wiring
from holdfast.cli.output import note, print_members
from holdfast.clock import Clock
from holdfast.config import PUBLIC_URL, Settings
from holdfast.server import cores, interpreter, listening, logs
from holdfast.server.access import logged
from holdfast.server.logs import Lines
from holdfast.store.presentations import Terms

log = structlog.get_logger()

PROCESS, BARE_PROCESS = "holdfast.cli.serve:process", "holdfast.cli.serve:bare_process"


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 takes a free one.")
@click.option("--workers", type=click.IntRange(1, 128), default=1, show_default=True, help="Processes that serve.")
@click.option("--drain", type=click.FloatRange(0, 600), default=0, help="Seconds to go on after SIGTERM, not /ready.")
@click.option("--worker/--no-worker", "works", default=True, help="Do the work that no request waits for here, too.")
def serve(host: str, port: int, workers: int, drain: float, works: bool) -> None:
    """Serve the vault.

    The first start makes the data directory with a SQLite database, a master key and an admin token; each start
    brings the database to this release. Ends, with status 0, on SIGTERM or Ctrl-C once what has begun is answered.

    The work that no request waits for is done beside serving; --no-worker leaves it to others (`holdfast worker`).

    \b
    holdfast serve
    HOLDFAST_PUBLIC_URL=https://vault.example.com HOLDFAST_DATA_DIR=/var/lib/holdfast holdfast serve --workers 2
    """
    if drain and workers > 1:
        raise click.UsageError("--drain goes with one process. For more, start more nodes.")
    if workers == 1:
        serve_one(host, port, drain=drain, works=works)
        return
    settings, listener, _ = _prepared(host, port)
    listening.run(_try(settings))
    process = PROCESS if works else BARE_PROCESS
    listening.serve_by_many(process, workers, listener, partial(_announce, settings, listener))


def serve_one(
    host: str,
    port: int,
    *,
    drain: float = 0,
    works: bool = True,
    clock: Clock | None = None,
    apart: bool = False,
    terms: Terms | None = None,
) -> None:
    """Serves by this process alone, until SIGTERM. What stands in for time is `wiring.open_vault`'s."""
    settings, listener, lines = _prepared(host, port)
    serving = wiring.serving(settings, clock=clock, apart=apart, terms=terms, works=works)
    listening.run(_serve(settings, listener, lines, serving, drain))


def process() -> ASGIApp:
    """The application of one of several processes, with a worker beside it."""
    return _process(works=True)


def bare_process() -> ASGIApp:
    """The application of one of several processes that have no worker."""
    return _process(works=False)


def _process(*, works: bool) -> ASGIApp:
    settings = Settings.from_env()
    lines = logs.configure(settings.log_level)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    return logged(wiring.create_app(works=works), settings.log_level, lines)


def _prepared(host: str, port: int) -> tuple[Settings, socket.socket, Lines]:
    cores.forbid()
    settings = Settings.from_env()
    lines = logs.configure(settings.log_level)
    wiring.prepare(settings)
    wiring.require_sound(settings)
    return settings, listening.listen(host, port), lines


async def _serve(
    settings: Settings,
    listener: socket.socket,
    lines: Lines,
    serving: AbstractAsyncContextManager[ASGIApp],
    drain: float,
) -> None:
    try:
        async with serving as app:
            watched = logged(app, settings.log_level, lines)
            wiring.settle()
            await listening.serve(watched, listener, partial(_announce, settings, listener), drain)
    finally:
        lines.flush()


async def _try(settings: Settings) -> None:
    """Opens the vault once, so that it is migrated, and whatever is wrong is told, before there are processes."""
    async with wiring.serving(settings, works=False):
        return


def _announce(settings: Settings, listener: socket.socket) -> None:
    click.echo(f"Holdfast {__version__} serves {listening.address(listener)}\n")
    print_members(
        [
            ("data", str(settings.data_dir.absolute())),
            ("database", database_place(settings)),
            ("master key", _master_key_place(settings)),
            ("admin token", _admin_token_place(settings)),
            ("public URL", settings.public_url),
            ("API reference", f"{settings.public_url}/docs  {settings.public_url}/openapi.json"),
        ]
    )
    click.echo()
    if old := interpreter.outdated():
        log.warning("outdated_python", what=old)  # for whoever watches many of them by their logs
    for warning in warnings(settings, listener):
        note(f"Warning: {warning}")


def _end_with_parent() -> None:
    """A worker whose parent was killed would otherwise hold the port for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def warnings(settings: Settings, listener: socket.socket) -> Iterator[str]:
    """What is not wrong but should be known."""
    if old := interpreter.outdated():
        yield old
    host, port = listener.getsockname()[:2]
    if settings.public_url == PUBLIC_URL and not ipaddress.ip_address(host).is_loopback:
        yield (
            f"it listens on {host}, but HOLDFAST_PUBLIC_URL is still {PUBLIC_URL}. Links lead there, and so does the "
            "redirect URI of every OAuth client: set it to the https:// address that browsers use."
        )
    elif settings.public_url == PUBLIC_URL and port != urlsplit(PUBLIC_URL).port:
        yield f"it listens on port {port}, but links lead to {PUBLIC_URL}: set HOLDFAST_PUBLIC_URL."
    if settings.connectors_dir and not settings.connectors_dir.exists():
        yield (
            f"HOLDFAST_CONNECTORS_DIR names {settings.connectors_dir}, which is not there: only the connectors that "
            "come with Holdfast are offered."
        )
    if settings.data_dir.stat().st_mode & 0o077:
        directory = settings.data_dir.absolute()
        yield f"other users may look into {directory}; run `chmod 700 {directory}`."
    key_file = _key_file(settings)
    database = wiring.database_file(settings)
    if key_file and database and key_file.parent == database.absolute().parent:
        yield (
            f"the master key lies beside the database. Whoever copies {key_file.parent} can open it: in production "
            "keep the key elsewhere and name it with HOLDFAST_MASTER_KEY_FILE."
        )


def _key_file(settings: Settings) -> Path | None:
    if settings.master_key:
        return None
    return (settings.master_key_file or settings.data_dir / wiring.MASTER_KEY_FILE).absolute()


def _master_key_place(settings: Settings) -> str:
    return str(_key_file(settings) or "given by HOLDFAST_MASTER_KEY")


def _admin_token_place(settings: Settings) -> str:
    if settings.admin_token:
        return "given by HOLDFAST_ADMIN_TOKEN or HOLDFAST_ADMIN_TOKEN_FILE"
    return str((settings.data_dir / wiring.ADMIN_TOKEN_FILE).absolute())


def database_place(settings: Settings) -> str:
    """Where the database is, whatever directory this process was started in; without a password."""
    file = wiring.database_file(settings)
    if file is not None:
        return f"sqlite:///{file.absolute()}"
    parts = urlsplit(settings.database_url)
    return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"

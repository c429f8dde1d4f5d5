"""The composition root: the only place where settings, engines, the door and the application meet."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NoReturn

import structlog
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope
from starlette.types import Send as SendMessage

from holdfast import failpoints, worker
from holdfast.catalog import Catalog
from holdfast.clock import Clock, SystemClock
from holdfast.config import Settings
from holdfast.domain.door import Door
from holdfast.domain.masking import Masks
from holdfast.errors import SettingsError, Unavailable
from holdfast.http.app import app
from holdfast.outbound import EgressPolicy, Outbound
from holdfast.store import Store
from holdfast.store.engine.database import Database
from holdfast.store.engine.migrate import migrate
from holdfast.store.engine.opening import locks_of, open_database
from holdfast.store.engine.soundness import refuse_damaged
from holdfast.store.journal import Journal
from holdfast.store.presentations import Terms
from holdfast.store.seal.keyring import Keyring
from holdfast.store.seal.masterkey import GivenKeys, MasterKeys, create_master_key_file
from holdfast.store.spool import Spool
from holdfast.usecases.bell import Bell
from holdfast.usecases.credential import recovery
from holdfast.usecases.flight import Flights
from holdfast.usecases.manage import applications
from holdfast.usecases.pauses import Pauses
from holdfast.usecases.recent import Recent
from holdfast.usecases.vault import Keys, Vault
from holdfast.worker.endless import without_end

log = structlog.get_logger()

MASTER_KEY_FILE = "master.key"
ADMIN_TOKEN_FILE = "admin.token"
JOURNAL = "journal"
SPOOL = "spool"
ADMIN_TOKEN_LEAST = 20
PURPOSES = ("api_key", "link", "flow", "confirm", "cookie", "page")


def require_vault(settings: Settings) -> None:
    """SettingsError if there is no vault yet: what only reads or changes one must not make one by a typing mistake."""
    file = database_file(settings)
    if file is not None and not file.exists():
        raise SettingsError(
            f"There is no vault in {settings.data_dir}. HOLDFAST_DATA_DIR says where it is; `holdfast serve` and "
            "`holdfast apps create` make a new one."
        )


def database_file(settings: Settings) -> Path | None:
    """The file of an SQLite database; None if the database is a server's."""
    url = settings.database_url
    return Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite:") else None


def require_sound(settings: Settings) -> None:
    """SettingsError if the database is damaged, as far as `soundness` looks. A PostgreSQL sees to that itself."""
    file = database_file(settings)
    if file is not None:
        refuse_damaged(file)


def prepare(settings: Settings) -> None:
    """Creates the data directory, and on the very first start a master key and an admin token in it.

    SettingsError if it cannot be a directory, if something that must be private is not, if a database exists whose
    key file is gone, or if the database is gone that was used here.
    """
    _make_directory(settings.data_dir)
    _refuse_open_directory(settings.data_dir)
    _refuse_lost_database(settings)
    key_file = settings.data_dir / MASTER_KEY_FILE
    given = settings.master_key or settings.master_key_file
    if not given and not key_file.exists():
        file = database_file(settings)
        if file is None or file.exists():
            require_sound(settings)  # the key would not help then, so that is not what is told first
            raise SettingsError(
                f"There is no master key: {key_file} does not exist. Put the key file back, or name it with "
                "HOLDFAST_MASTER_KEY_FILE; without it, what this database holds cannot be opened."
            )
        with contextlib.suppress(FileExistsError):  # another process starts at the same moment
            create_master_key_file(key_file)
    token_file = settings.data_dir / ADMIN_TOKEN_FILE
    if not settings.admin_token and not token_file.exists():
        with contextlib.suppress(FileExistsError):
            _write_private(token_file, f"hf_admin_{secrets.token_urlsafe(32)}\n")


def _make_directory(directory: Path) -> None:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise SettingsError(
            f"{directory} is, or lies under, a file. Name a directory with HOLDFAST_DATA_DIR."
        ) from None


def _refuse_open_directory(directory: Path) -> None:
    if directory.stat().st_mode & 0o002:
        raise SettingsError(f"Every user may write into {directory}; run `chmod 700 {directory}`.")


def _refuse_lost_database(settings: Settings) -> None:
    """A new, empty database in its place would look like a vault whose customers have all left.

    The journal tells that there was one: its directory is made when a credential is opened for the first time.
    """
    file = database_file(settings)
    if file is None or (file.exists() and file.stat().st_size):
        return
    if (settings.data_dir / JOURNAL).is_dir():
        raise SettingsError(
            f"The database {file} is missing or empty, and {settings.data_dir} belongs to a vault that was in use. "
            "Put the database back; for a new vault, name an empty directory with HOLDFAST_DATA_DIR."
        )


def admin_token(settings: Settings) -> str:
    """The admin token: of the settings, else of its file. SettingsError if it can be guessed, or read by others."""
    token = settings.admin_token or _read_private(settings.data_dir / ADMIN_TOKEN_FILE)
    if len(token) < ADMIN_TOKEN_LEAST:
        raise SettingsError(f"The admin token is shorter than {ADMIN_TOKEN_LEAST} characters; it could be guessed.")
    return token


@contextlib.asynccontextmanager
async def open_vault(
    settings: Settings,
    *,
    clock: Clock | None = None,
    apart: bool = False,
    door: Door | None = None,
    terms: Terms | None = None,
) -> AsyncIterator[Vault]:
    """A vault on a migrated database, closed again on leaving. `clock` and `door` stand in for the outside world.

    `clock` stands in for this machine's clock and for the database's, unless the two go `apart`; `terms` are other ones
    than those that serve.
    """
    stand_in, clock = None if apart else clock, clock or SystemClock()
    outbound = Outbound(EgressPolicy.parse(settings.egress_allow))
    masters = _master_keys(settings)  # before there is a database: one without its key could never be opened again
    database = await open_database(settings.database_url, stand_in)
    try:
        await migrate(database)
        vault = await _vault(settings, database, masters, clock, door or outbound, terms or Terms())
        await vault.store.journal.adopt()
        try:
            yield vault
        finally:
            vault.flights.close()
            await vault.flights.land()
            with contextlib.suppress(Unavailable):  # whoever starts next takes it over
                await vault.store.journal.drain()
            await vault.locks.close()
            vault.spool.close()
    finally:
        try:
            await outbound.close()
        finally:
            await database.close()


@contextlib.asynccontextmanager
async def serving(
    settings: Settings,
    *,
    clock: Clock | None = None,
    apart: bool = False,
    terms: Terms | None = None,
    works: bool = True,
) -> AsyncIterator[ASGIApp]:
    """The application on its open vault, with a worker beside it if it `works`. What stands in for time is
    `open_vault`'s."""
    token, kinds = admin_token(settings), worker.KINDS if works else ()
    async with working(settings, clock=clock, apart=apart, terms=terms, kinds=kinds) as vault:
        for warning in await applications.warnings(vault):
            log.warning("unsafe_setting", what=warning)
        yield app(vault, token)


@contextlib.asynccontextmanager
async def working(
    settings: Settings,
    *,
    clock: Clock | None = None,
    apart: bool = False,
    terms: Terms | None = None,
    kinds: Sequence[worker.Kind | worker.Rounds] = worker.KINDS,
) -> AsyncIterator[Vault]:
    """An open vault with a worker of these `kinds` beside it. What its node has left behind is taken up before anybody
    is served."""
    failpoints.arm(settings.failpoint)
    if settings.failpoint:
        log.warning("failpoints_armed", what=settings.failpoint)
    async with open_vault(settings, clock=clock, apart=apart, terms=terms) as vault:
        await vault.locks.check()
        vault.spool.reconsider()
        await recovery.recover(vault)
        async with _housekeeping(vault), worker.running(vault, kinds):
            yield vault


@contextlib.asynccontextmanager
async def _housekeeping(vault: Vault) -> AsyncIterator[None]:
    """What this process keeps for a moment it also gives up, whether a worker runs in it or not."""
    kept: dict[str, Callable[[], Awaitable[NoReturn]]] = {
        "memory": vault.recent.keep_short,
        "journal": vault.store.journal.keep_drained,
        "instance key": vault.store.keyring.keep_following,
        "recovery": partial(recovery.keep_recovering, vault),
    }
    tasks = [asyncio.create_task(without_end(vault.clock, name, work)) for name, work in kept.items()]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def settle() -> None:
    """Spares the garbage collector what has been made so far: the catalogue and the code stay until the process ends.

    Every request waits while all of it is looked through. For a process that serves; what is garbage by now is
    collected first.
    """
    gc.collect()
    gc.freeze()


def create_app(*, works: bool = True) -> ASGIApp:
    """The application of this process's settings; what uvicorn starts in each of its workers."""
    return Served(Settings.from_env(), works=works)


class Served:
    """An application that opens its vault when the server starts, and closes it when the server stops.

    The vault belongs to the server's event loop, so it cannot be open before the lifespan begins.
    """

    def __init__(self, settings: Settings, *, works: bool = True) -> None:
        self._settings = settings
        self._works = works
        self._inner: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: SendMessage) -> None:
        if scope["type"] == "lifespan":
            await Starlette(lifespan=self._lifespan)(scope, receive, send)
        elif self._inner is not None:
            await self._inner(scope, receive, send)

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        async with serving(self._settings, works=self._works) as self._inner:
            settle()
            yield


async def _vault(
    settings: Settings, database: Database, masters: MasterKeys, clock: Clock, door: Door, terms: Terms
) -> Vault:
    keyring = await Keyring.open(database, masters, clock)
    locks = locks_of(settings.database_url, settings.data_dir, wanted=settings.refresh_lock)
    # Every process of a database file finds the answers of every other one, so nobody's silence has to be waited out.
    shared = database.kind == "sqlite" and locks.exclude
    return Vault(
        public_url=settings.public_url,
        store=Store(
            database,
            keyring,
            clock,
            database,
            Journal(settings.data_dir / JOURNAL, database, clock),
            Masks(keyring.derive("mask").current),
        ),
        catalog=Catalog.load(*_own_connectors(settings)),
        door=door,
        clock=clock,
        keys=Keys(**{purpose: keyring.derive(purpose) for purpose in PURPOSES}),
        flights=Flights(),
        recent=Recent(clock),
        bell=Bell(),
        locks=locks,
        spool=Spool(settings.data_dir / SPOOL),
        terms=replace(terms, patience=0) if shared else terms,
        pauses=Pauses(clock),
    )


def _own_connectors(settings: Settings) -> list[Path]:
    """The operator's directory, once there is one: it may be named before it is filled. `holdfast serve` warns."""
    directory = settings.connectors_dir
    return [directory] if directory is not None and directory.exists() else []


def _master_keys(settings: Settings) -> MasterKeys:
    if settings.master_key:
        return GivenKeys.parse(settings.master_key)
    return GivenKeys.read(settings.master_key_file or settings.data_dir / MASTER_KEY_FILE)


def _read_private(path: Path) -> str:
    if path.stat().st_mode & 0o077:
        raise SettingsError(f"Other users may read {path}; run `chmod 600 {path}`.")
    return path.read_text().strip()


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)

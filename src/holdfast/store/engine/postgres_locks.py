"""Session advisory locks of PostgreSQL, on one connection of the process's own, outside the pool.

A pooler that hands each transaction to another session would take the lock on one and the unlock to another, without a
word. So `check` finds out, before the first request is served, whether the session stays.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Final

import asyncpg
import structlog

from holdfast.errors import SettingsError, Unavailable
from holdfast.store.engine.database import PATIENCE
from holdfast.store.engine.locks import Lock, lock_key

log = structlog.get_logger()

# The session is not idle for want of use, and a dead peer is noticed within a minute. Not as start-up parameters, which
# a pooler refuses.
_SETTINGS: Final = (
    "SET idle_session_timeout = 0",
    "SET tcp_keepalives_idle = 20",
    "SET tcp_keepalives_interval = 10",
    "SET tcp_keepalives_count = 3",
)
_TAKE, _FREE = "SELECT pg_try_advisory_lock($1)", "SELECT pg_advisory_unlock($1)"
_WHO = "SELECT pg_backend_pid()"
_FAULTS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)
_OTHERS = 3
REFUSED: Final = (
    "PostgreSQL is reached through a pooler that gives each transaction another session, and a refresh needs a lock "
    "that stays: let the pooler work in session mode (PgBouncer: pool_mode = session), or set "
    "HOLDFAST_REFRESH_LOCK=none and read docs/how-to/deploy.md first."
)


class SessionLocks:
    """Locks of one session, which is made when the first one is wanted, and again when it was lost."""

    exclude = True

    def __init__(self, url: str) -> None:
        self._url = url
        self._session: _Session | None = None
        self._turn = asyncio.Lock()
        self._held: set[int] = set()

    async def take(self, name: str) -> Lock | None:
        key = lock_key(name)
        # A session's own locks never keep it out, so what this process holds is kept here.
        if key in self._held:
            return None
        self._held.add(key)
        taken = False
        try:
            session, taken = await self._take(key)
        finally:
            if not taken:
                self._held.discard(key)
        return _Advisory(self, session, key) if taken else None

    async def check(self) -> None:
        """SettingsError if locks do not stay with the session, Unavailable if the server does not answer."""
        others = []
        try:
            session = await self._living()
            before = await session.ask(_WHO)
            for _ in range(_OTHERS):
                others.append(await _connect(self._url))
                await others[-1].execute("BEGIN")
            stays = before == await session.ask(_WHO) and await self._keeps_out(session, others[0])
        except asyncpg.FeatureNotSupportedError:
            stays = False
        except _FAULTS as error:
            raise Unavailable(f"PostgreSQL gives no lock right now ({type(error).__name__}).") from None
        finally:
            for other in others:
                other.terminate()
        if not stays:
            raise SettingsError(REFUSED)

    async def close(self) -> None:
        if self._session is not None:
            self._session.end()

    async def give_back(self, session: _Session, key: int) -> None:
        self._held.discard(key)
        if session.lost:
            return
        try:
            freed = await session.ask(_FREE, key)
        except _FAULTS:
            freed = False
        except asyncio.CancelledError:
            session.end()
            raise
        if not freed:  # it still holds what nobody here knows of any more
            session.end()

    async def _take(self, key: int) -> tuple[_Session, bool]:
        session: _Session | None = None
        try:
            session = await self._living()
            return session, bool(await session.ask(_TAKE, key))
        except (*_FAULTS, asyncio.CancelledError) as error:
            if session is not None:  # it may have taken the lock without our hearing of it
                session.end()
            if isinstance(error, asyncio.CancelledError):
                raise
            raise Unavailable(f"PostgreSQL gives no lock right now ({type(error).__name__}).") from None

    async def _living(self) -> _Session:
        async with self._turn:
            if self._session is None or self._session.lost:
                self._session = _Session(await _connect(self._url))
            return self._session

    async def _keeps_out(self, session: _Session, other: Any) -> bool:
        key = lock_key(f"check {await session.ask(_WHO)}")
        taken = await session.ask(_TAKE, key)
        refused = not await other.fetchval(_TAKE, key)
        return bool(taken and refused and await session.ask(_FREE, key))


class _Session:
    """A connection that answers one question at a time. `lost`: its locks may be somebody else's by now."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._turn = asyncio.Lock()
        self.lost = False
        connection.add_termination_listener(self._ended)

    async def ask(self, sql: str, *values: Any) -> Any:
        async with self._turn:
            return await self._connection.fetchval(sql, *values, timeout=PATIENCE)

    def end(self) -> None:
        self.lost = True
        with suppress(*_FAULTS):
            self._connection.terminate()

    def _ended(self, _: Any) -> None:
        if not self.lost:
            log.warning("lock_session_lost")
        self.lost = True


class _Advisory:
    def __init__(self, locks: SessionLocks, session: _Session, key: int) -> None:
        self._locks = locks
        self._session = session
        self._key = key

    @property
    def lost(self) -> bool:
        return self._session.lost

    async def give_back(self) -> None:
        await self._locks.give_back(self._session, self._key)


async def _connect(url: str) -> Any:
    connection = await asyncpg.connect(url, timeout=PATIENCE, command_timeout=PATIENCE, statement_cache_size=0)
    for setting in _SETTINGS:
        with suppress(asyncpg.UndefinedObjectError):  # a server without such a setting
            await connection.execute(setting)
    return connection

"""Locks keep other processes out while their holder lives: by a file on a machine, by a session on a server."""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest
from pooler import pooling
from work import until

from holdfast.errors import SettingsError, Unavailable
from holdfast.store.engine.locks import FileLocks, Lock, NoLocks, lock_key
from holdfast.store.engine.postgres_locks import SessionLocks

if TYPE_CHECKING:
    from tests.conftest import PostgresServer

HOLDS = """
import asyncio, sys
from pathlib import Path
from holdfast.store.engine.locks import FileLocks

async def hold():
    lock = await FileLocks(Path(sys.argv[1])).take("c1")
    print(lock is not None, flush=True)
    sys.stdin.read()

asyncio.run(hold())
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "refresh.lock"


@pytest.fixture
async def locks(engine: str, path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Callable[[], object]]:
    """Makes the locks of one more process, as far as the lock can tell."""
    made: list[FileLocks | SessionLocks] = []
    url = ""
    if engine == "postgresql":
        url = request.getfixturevalue("postgres_server").url("postgres")

    def make() -> FileLocks | SessionLocks:
        made.append(SessionLocks(url) if url else FileLocks(path))
        return made[-1]

    yield make
    for one in made:
        await one.close()


async def taken(locks: FileLocks | SessionLocks | NoLocks, name: str = "c1") -> Lock:
    lock = await locks.take(name)
    assert lock is not None
    return lock


async def is_let_in(locks: FileLocks | SessionLocks) -> bool:
    return await locks.take("c1") is not None


async def test_one_is_let_in(locks: Callable[[], FileLocks]) -> None:
    """The other one goes away with nothing, at once, until the lock was given back."""
    mine, theirs = locks(), locks()
    lock = await taken(mine)
    meanwhile = await theirs.take("c1")
    await lock.give_back()

    assert meanwhile is None
    assert not lock.lost
    assert await theirs.take("c1") is not None


async def test_a_process_does_not_let_itself_in_twice(locks: Callable[[], FileLocks]) -> None:
    """The system would: its locks are the process's own. Two flights of one process are two all the same."""
    mine = locks()
    lock = await taken(mine)
    again = await mine.take("c1")
    await lock.give_back()

    assert again is None
    assert await mine.take("c1") is not None


async def test_a_lock_is_of_one_name(locks: Callable[[], FileLocks]) -> None:
    """Connections do not wait for each other, and giving one back frees no other."""
    mine, theirs = locks(), locks()
    first = await taken(mine, "c1")
    await taken(mine, "c2")
    await first.give_back()

    assert await theirs.take("c2") is None
    assert await theirs.take("c1") is not None
    assert await theirs.take("c3") is not None


async def test_locks_that_are_closed_are_free(locks: Callable[[], FileLocks]) -> None:
    """Whoever ends in order holds nobody up."""
    mine, theirs = locks(), locks()
    await taken(mine)
    await mine.close()

    await until(lambda: is_let_in(theirs))  # PostgreSQL ends a session in its own time


async def test_death_frees(path: Path, spawn: Callable[..., subprocess.Popen[str]]) -> None:
    """kill -9 gives the lock back in the same moment: nothing has to run out."""
    holder = spawn(HOLDS, str(path))
    assert holder.stdout.readline() == "True\n"
    locks = FileLocks(path)
    while_it_lives = await locks.take("c1")
    holder.kill()
    holder.wait()

    assert while_it_lives is None
    assert await locks.take("c1") is not None


async def test_a_lock_file_is_for_its_owner(path: Path) -> None:
    """Another user could hold up every refresh otherwise."""
    await taken(FileLocks(path))

    assert path.stat().st_mode & 0o077 == 0


async def test_a_lock_file_that_cannot_be_used_lets_nobody_in(tmp_path: Path) -> None:
    """It is a fault of ours, and is told as one."""
    with pytest.raises(Unavailable):
        await FileLocks(tmp_path / "nowhere" / "refresh.lock").take("c1")


async def test_without_a_lock_a_process_keeps_itself_out() -> None:
    """And nobody else, which `exclude` says."""
    mine, theirs = NoLocks(), NoLocks()
    lock = await taken(mine)

    assert not mine.exclude
    assert await mine.take("c1") is None
    assert await theirs.take("c1") is not None
    await lock.give_back()
    assert await mine.take("c1") is not None


def test_keys_fit_where_locks_are_kept() -> None:
    """A file's offset and PostgreSQL's bigint are signed; ids get keys of their own."""
    keys = {lock_key(os.urandom(16).hex()) for _ in range(1000)}

    assert len(keys) == 1000
    assert all(0 <= key < 2**62 for key in keys)


@pytest.fixture
async def session(postgres_server: PostgresServer) -> AsyncIterator[SessionLocks]:
    locks = SessionLocks(postgres_server.url("postgres"))
    yield locks
    await locks.close()


async def end_sessions(server: PostgresServer, key: int) -> None:
    """Ends whatever session has the lock, as an operator or a failover does."""
    await server.administer(
        f"SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' "  # noqa: S608
        f"AND classid = {key >> 32} AND objid = {key & 0xFFFFFFFF}"
    )


async def test_a_session_that_ends_loses_its_locks(session: SessionLocks, postgres_server: PostgresServer) -> None:
    """Its holder learns of it before it sends, and the others are let in; later flights get a session of their own."""
    lock = await taken(session)
    other = SessionLocks(postgres_server.url("postgres"))
    await end_sessions(postgres_server, lock_key("c1"))
    await until(lambda: lock.lost)
    theirs = await taken(other)
    mine = await taken(session, "c2")
    await lock.give_back()

    assert not mine.lost
    assert not theirs.lost
    assert await session.take("c1") is None
    await other.close()


async def test_a_lock_whose_answer_was_lost_is_not_kept_for_ever(
    session: SessionLocks, postgres_server: PostgresServer
) -> None:
    """It may have been given: the session that may hold it ends, so that it is free for whoever asks next."""
    await taken(session, "c2")

    async def interrupted(*_: object) -> object:
        assert session._session is not None
        await session._session._connection.fetchval("SELECT pg_try_advisory_lock($1)", lock_key("c1"))
        raise TimeoutError

    assert session._session is not None
    session._session.ask = interrupted  # type: ignore[assignment]
    with pytest.raises(Unavailable):
        await session.take("c1")
    other = SessionLocks(postgres_server.url("postgres"))
    await until(lambda: is_let_in(other))
    await other.close()

    assert await session.take("c3") is not None


async def test_a_session_stays_as_long_as_it_is_wanted(session: SessionLocks) -> None:
    """A server that ends idle sessions does not end this one."""
    await taken(session)
    assert session._session is not None

    assert await session._session.ask("SHOW idle_session_timeout") == "0"


async def test_a_server_that_is_asked_directly_passes(session: SessionLocks) -> None:
    """Locks stay with the session, and what was tried is free again."""
    await session.check()

    assert await session.take("c1") is not None


@pytest.mark.parametrize("mode", ["transaction", "statement"])
async def test_a_pooler_that_gives_a_session_away_is_refused(postgres_server: PostgresServer, mode: str) -> None:
    """What is locked on one session would be unlocked on another, and nobody would be kept out of anything."""
    async with pooling(postgres_server.url("postgres"), mode) as url:
        locks = SessionLocks(url)
        with pytest.raises(SettingsError, match="session mode"):
            await locks.check()
        await locks.close()


async def test_a_pooler_in_session_mode_passes(postgres_server: PostgresServer) -> None:
    """It keeps a session for each connection, so a lock stays where it was taken."""
    async with pooling(postgres_server.url("postgres"), "session") as url:
        locks = SessionLocks(url)
        await locks.check()
        await locks.close()


async def test_a_server_that_is_away_is_not_taken_for_one_without_locks(tmp_path: Path) -> None:
    """It is waited for; no setting is blamed."""
    locks = SessionLocks(f"postgresql://nobody@/holdfast?host={tmp_path}")

    with pytest.raises(Unavailable):
        await locks.check()
    with pytest.raises(Unavailable):
        await locks.take("c1")


async def test_two_sessions_keep_each_other_out_on_the_server(
    session: SessionLocks, postgres_server: PostgresServer
) -> None:
    """Anybody who looks sees one holder: the lock is the server's, not the process's."""
    await taken(session)
    connection = await asyncpg.connect(postgres_server.url("postgres"))
    held = await connection.fetchval("SELECT pg_try_advisory_lock($1)", lock_key("c1"))
    await connection.close()

    assert held is False

"""The spool: what was read from a provider outlives its process; its neighbours find it, and nobody else opens it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from holdfast import failpoints
from holdfast.domain.exchange import Response
from holdfast.domain.tenancy import ConsumerScope
from holdfast.errors import IntegrityError, Unavailable
from holdfast.store import Store
from holdfast.store.spool import About, Callback, Entry, Spool

ANSWER = Response(200, {"content-type": "application/json"}, b'{"access_token": "at-2", "refresh_token": "rt-2"}')
ABOUT = About(
    kind="refresh", application_id="app-1", consumer_id="user-1", unified_api="crm", service_id="pipedrive",
    connection_id="c1", generation=1, number=7, consent=3, granted_at=1, asked_at=10,
)  # fmt: skip
# Lives in the directory until it is told to end, or killed.
LIVES = """
import sys
from pathlib import Path
from holdfast.store.spool import Spool

spool = Spool(Path(sys.argv[1]))
print(spool.sender().node, spool.sender().process, flush=True)
sys.stdin.read() if len(sys.argv) < 3 else sys.exit()
"""
# Is killed when the answer is written and has not got its name yet, or before it is synced.
KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from holdfast.domain.exchange import Response
from holdfast.store import spool
from holdfast.store.spool import About

class Box:
    def seal(self, place, plaintext):
        return plaintext

def killed(*_):
    os.kill(os.getpid(), signal.SIGKILL)

about = About("refresh", "app-1", "user-1", "crm", "pipedrive", "c1", 1, 7, 3, 1, 10)
mine = spool.Spool(Path(sys.argv[1]))
mine.sender()
setattr(spool.os if sys.argv[2] == "fsync" else spool.Path, sys.argv[2], killed)
asyncio.run(mine.put(Box(), about, Response(200, {}, b"{}")))
"""


@pytest.fixture
def engine() -> str:
    return "sqlite"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@dataclass
class Living:
    """A neighbour: a process that shares the directory."""

    node: str
    process: str
    popen: subprocess.Popen[str]

    def kill(self) -> None:
        self.popen.kill()
        self.popen.wait()


@pytest.fixture
def neighbour(directory: Path, spawn: Callable[..., subprocess.Popen[str]]) -> Callable[[], Living]:
    def start() -> Living:
        popen = spawn(LIVES, str(directory))
        node, process = popen.stdout.readline().split()
        return Living(node, process, popen)

    return start


@contextmanager
def armed(text: str) -> Iterator[None]:
    failpoints.arm(text)
    try:
        yield
    finally:
        failpoints.arm("")


async def put(store: Store, scope: ConsumerScope, spool: Spool, about: About = ABOUT) -> Entry:
    entry = await spool.put(await store.box(scope), about, ANSWER)
    assert entry is not None
    return entry


async def left_behind(store: Store, scope: ConsumerScope, directory: Path, about: About = ABOUT) -> Spool:
    """An answer whose process is dead; the spool of whoever finds it."""
    dead = Spool(directory)
    await put(store, scope, dead, about)
    dead.close()
    return Spool(directory)


async def test_an_answer_that_a_dead_process_left_is_found_whole(
    store: Store, scope: ConsumerScope, directory: Path
) -> None:
    """What was answered, to what it was an answer, and by whom it was read."""
    found = (await left_behind(store, scope, directory)).left("c1")

    assert [entry.about for entry in found] == [ABOUT]
    response, callback = await found[0].open(store)
    assert (response.status, dict(response.headers), response.body) == (200, ANSWER.headers, ANSWER.body)
    assert callback is None


async def test_what_a_callback_brought_comes_with_its_code(store: Store, scope: ConsumerScope, directory: Path) -> None:
    """The settings that it filled in, and the authorization that the code is of."""
    callback = Callback({"api_domain": "https://acme.pipedrive.com"}, ("flow", b"\x00mac"))
    spool = Spool(directory)
    entry = await spool.put(await store.box(scope), msgspec.structs.replace(ABOUT, kind="redeem"), ANSWER, callback)

    assert entry is not None
    assert (await entry.open(store))[1] == callback


async def test_an_answer_shows_nothing_on_the_disk(store: Store, scope: ConsumerScope, directory: Path) -> None:
    """Neither a token nor a member's name is in the file, which only its owner may read."""
    entry = await put(store, scope, Spool(directory))

    assert all(text not in entry.path.read_bytes() for text in (b"at-2", b"rt-2", b"access_token"))
    assert entry.path.stat().st_mode & 0o077 == 0
    assert directory.stat().st_mode & 0o077 == 0


async def test_the_living_keep_their_own_answers(
    store: Store, scope: ConsumerScope, directory: Path, neighbour: Callable[[], Living]
) -> None:
    """Nobody takes up what a living process has read, itself included; the kernel tells when it is dead."""
    living, mine = neighbour(), Spool(directory)
    entry = await put(store, scope, mine)
    theirs = entry.path.with_name(entry.path.name.replace(mine.sender().process, living.process))
    entry.path.rename(theirs)
    while_it_lives = mine.left(), mine.dead([living.process])
    living.kill()

    assert while_it_lives == ([], [])
    assert [found.process for found in mine.left()] == [living.process]
    assert mine.dead() == [living.process]


async def test_a_process_never_takes_up_its_own_answers(store: Store, scope: ConsumerScope, directory: Path) -> None:
    """Its flight has the answer in memory and is at it."""
    spool = Spool(directory)
    await put(store, scope, spool)

    assert spool.left() == []
    assert spool.dead([spool.sender().process]) == []


async def test_answers_are_found_by_connection_and_the_oldest_comes_first(
    store: Store, scope: ConsumerScope, directory: Path
) -> None:
    """Of two of one connection the one that was asked for first is stored first."""
    replace = msgspec.structs.replace
    for about in (replace(ABOUT, number=9, asked_at=30), ABOUT, replace(ABOUT, connection_id="c2", asked_at=20)):
        spool = await left_behind(store, scope, directory, about)

    assert [entry.about.number for entry in spool.left("c1")] == [7, 9]
    assert [entry.about.connection_id for entry in spool.left()] == ["c1", "c2", "c1"]


async def test_a_refresh_and_a_code_of_one_number_are_two_answers(
    store: Store, scope: ConsumerScope, directory: Path
) -> None:
    """Attempts and consents are counted apart, so they meet: neither takes the other's place on the disk."""
    spool = Spool(directory)
    first = await put(store, scope, spool)
    second = await put(store, scope, spool, msgspec.structs.replace(ABOUT, kind="redeem"))
    second.drop()

    assert first.path.exists()
    assert spool.kept(spool.sender().process) == {("c1", 7)}


async def test_only_refreshes_count_as_answered_attempts(store: Store, scope: ConsumerScope, directory: Path) -> None:
    """A code's answer, whatever its number, says nothing of a refresh token that was presented."""
    spool = Spool(directory)
    await put(store, scope, spool, msgspec.structs.replace(ABOUT, kind="redeem"))

    assert spool.kept(spool.sender().process) == frozenset()


@pytest.mark.parametrize(
    "other",
    [{"connection_id": "c2"}, {"number": 8}, {"generation": 2}, {"consumer_id": "user-2"}, {"service_id": "hubspot"},
     {"application_id": "app-2"}, {"kind": "redeem"}, {"consent": 4}, {"asked_at": 11}],
    ids=lambda other: next(iter(other)),
)  # fmt: skip
async def test_a_relabelled_answer_does_not_open(
    store: Store, scope: ConsumerScope, directory: Path, other: dict[str, object]
) -> None:
    """Whoever can write into the directory gives no connection another one's token."""
    entry = await put(store, scope, Spool(directory))
    written = msgspec.json.decode(entry.path.read_bytes())
    entry.path.write_bytes(msgspec.json.encode({**written, "about": {**written["about"], **other}}))
    entry.path.rename(entry.path.with_name("c1.1-dead.refresh-7.answer"))
    (found,) = Spool(directory).left()

    with pytest.raises(IntegrityError):
        await found.open(store)


async def test_what_does_not_open_is_set_aside_and_counts_as_answered(
    store: Store, scope: ConsumerScope, directory: Path
) -> None:
    """It may be the only copy of a token: it is never deleted, nobody trips over it again, and nobody says that the
    attempt has left nothing."""
    spool = await left_behind(store, scope, directory)
    (entry,) = spool.left()
    entry.set_aside("unreadable")

    assert spool.left() == []
    assert spool.kept(entry.process) == {("c1", 7)}
    assert [path.suffix for path in directory.iterdir() if entry.process in path.name] == [".unreadable"]


async def test_what_was_set_aside_is_looked_at_again_by_the_next_start(
    store: Store, scope: ConsumerScope, directory: Path
) -> None:
    """What was missing then, a connector or a master key, may be there now."""
    spool = await left_behind(store, scope, directory)
    (entry,) = spool.left()
    entry.set_aside("unreadable")
    spool.reconsider()

    assert [found.path for found in spool.left()] == [entry.path]


@pytest.mark.parametrize("content", [b"", b"\x00" * 100, b'{"about": {}}'])
async def test_a_file_that_is_not_ours_is_set_aside(
    store: Store, scope: ConsumerScope, directory: Path, content: bytes
) -> None:
    """A torn disk or a stranger's file stops nothing, and the attempt counts as answered."""
    spool = await left_behind(store, scope, directory)
    (entry,) = spool.left()
    entry.path.write_bytes(content)

    assert spool.left() == []
    assert spool.kept(entry.process) == {("c1", 7)}


@pytest.mark.parametrize("call", ["fsync", "rename"])
async def test_a_process_that_dies_in_the_middle_of_a_write_leaves_no_answer(directory: Path, call: str) -> None:
    """What is not whole and synced has no answer's name: it is not read, does not count, and goes with its process."""
    ended = subprocess.run([sys.executable, "-c", KILLED, str(directory), call], check=False)
    assert ended.returncode == -signal.SIGKILL
    spool = Spool(directory)
    (dead,) = spool.dead()

    assert [path.suffix for path in directory.iterdir() if path.name.startswith("c1")] == [".part"]
    assert (spool.left(), spool.kept(dead)) == ([], frozenset())
    spool.bury(dead)
    assert [path.name for path in directory.iterdir()] == ["node"]


@pytest.mark.parametrize("fault", ["full", "unavailable"])
async def test_a_disk_that_takes_nothing_is_told_and_leaves_nothing(
    store: Store, scope: ConsumerScope, directory: Path, fault: str
) -> None:
    """The refresh goes on with the answer in memory."""
    spool = Spool(directory)
    with armed(f"refresh.spooling={fault}"):
        entry = await spool.put(await store.box(scope), ABOUT, ANSWER)

    assert entry is None
    assert [path for path in directory.iterdir() if path.name.startswith("c1")] == []


async def test_a_directory_that_cannot_be_used_is_a_fault_of_ours(
    store: Store, scope: ConsumerScope, tmp_path: Path
) -> None:
    """A file in its place: nobody gets a name, so nothing is presented; an answer in hand is kept in memory."""
    (tmp_path / "spool").write_text("")
    spool = Spool(tmp_path / "spool")

    with pytest.raises(Unavailable):
        spool.sender()
    assert await spool.put(await store.box(scope), ABOUT, ANSWER) is None


def test_two_processes_that_name_the_node_at_once_give_it_one_name(
    directory: Path, spawn: Callable[..., subprocess.Popen[str]]
) -> None:
    """And no one after them gives it another."""
    started = [spawn(LIVES, str(directory), "end") for _ in range(4)]
    names = {popen.communicate()[0].split()[0] for popen in started}

    assert names == {Spool(directory).sender().node}
    assert [path.name for path in directory.iterdir() if path.name.startswith("node")] == ["node"]


def test_a_process_that_ends_in_order_leaves_no_trace(directory: Path) -> None:
    """Nothing has to be found out about it."""
    spool = Spool(directory)
    process = spool.sender().process
    spool.close()

    assert [path.name for path in directory.iterdir()] == ["node"]
    assert Spool(directory).dead([process]) == [process]


def test_a_process_is_one_for_each_spool(directory: Path) -> None:
    """A number that the system gives to a new process makes nobody who is dead look alive."""
    first, second = Spool(directory), Spool(directory)

    assert first.sender().process != second.sender().process
    assert first.dead([second.sender().process]) == []
    assert str(os.getpid()) in first.sender().process

"""`holdfast serve`: starts, says where everything is, keeps what it made, refuses what is wrong, ends in order."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest
from executable import PATIENCE, Holdfast, Running, connections

from holdfast.server import interpreter, listening

if TYPE_CHECKING:
    from tests.conftest import PostgresServer


def mode(path: Path) -> str:
    return oct(stat.S_IMODE(path.stat().st_mode))


def error_of(holdfast: Holdfast, **settings: str) -> str:
    """The one line with which a start is refused."""
    refused = holdfast.run("serve", "--port", "0", settings=settings)
    assert (refused.status, refused.out) == (1, "")
    (line,) = refused.err.splitlines()
    return line


def test_the_first_start_makes_private_files_and_says_where(holdfast: Holdfast) -> None:
    """Data directory and spool 0700; master key, admin token and database 0600; standard output names them."""
    running = holdfast.serve()

    words = ("data", "master key", "admin token", "database", "API reference")
    told = [running.line(f"{word} +(\\S+)")[1] for word in words]
    assert told[:3] == [str(holdfast.data / name) for name in (".", "master.key", "admin.token")]
    assert told[3] == f"sqlite:///{holdfast.data / 'holdfast.db'}"
    assert told[4] == "http://127.0.0.1:8000/docs"
    assert mode(holdfast.data) == "0o700"
    assert {f.name: mode(f) for f in holdfast.data.iterdir() if "-" not in f.name} == {
        "admin.token": "0o600", "master.key": "0o600", "holdfast.db": "0o600", "spool": "0o700",
    }  # fmt: skip


def test_it_answers_once_it_says_so(server: Running) -> None:
    """Liveness, readiness, metrics, the API's description and its reference are there."""
    answers = {
        p: httpx.get(server.url + p).status_code for p in ("/health", "/ready", "/metrics", "/openapi.json", "/docs")
    }

    assert set(answers.values()) == {200}, answers


def test_an_answer_says_nothing_of_the_server(server: Running) -> None:
    """There is a date and no name of a program."""
    headers = httpx.get(f"{server.url}/health").headers

    assert "date" in headers
    assert "server" not in headers


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_it_ends_in_order(holdfast: Holdfast, workers: str, number: int) -> None:
    """A server that is asked to stop does so with status 0, at the very moment at which it says that it serves too."""
    running = holdfast.serve("--workers", workers)

    assert running.stop(number) == 0
    assert "Traceback" not in running.err


def test_two_processes_serve_one_vault(holdfast: Holdfast) -> None:
    """An application that the command line made is known to every worker."""
    application = holdfast.application()

    running = holdfast.serve("--workers", "2")

    assert {connections(running.url, application).status_code for _ in range(8)} == {200}


def test_workers_do_not_outlive_their_parent(holdfast: Holdfast) -> None:
    """When the parent process is killed, its workers end and give the port back."""
    running = holdfast.serve("--workers", "2")
    assert httpx.get(f"{running.url}/health", timeout=PATIENCE).status_code == 200

    running.process.kill()
    running.rest()

    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{running.url}/health")


def test_what_has_begun_is_answered(holdfast: Holdfast) -> None:
    """A request whose body is still on its way when SIGTERM comes gets its answer."""
    running = holdfast.serve()
    body = b'{"name": "Acme"}'
    head = (
        f"POST /manage/applications HTTP/1.1\r\nHost: vault\r\nAuthorization: Bearer {holdfast.admin_token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", urlsplit(running.url).port or 0), PATIENCE) as client:
        client.sendall(head.encode())
        begun = client.recv(1024)
        running.process.send_signal(signal.SIGTERM)
        client.sendall(body)
        answer = client.recv(65536)

    assert begun.startswith(b"HTTP/1.1 100")
    assert answer.startswith(b"HTTP/1.1 200")
    assert running.process.wait(PATIENCE) == 0


def test_a_request_of_which_half_has_come_is_answered(holdfast: Holdfast) -> None:
    """SIGTERM ends idle connections, not one on which half a head has come, nor at once one that was never used."""
    running = holdfast.serve()
    idle, half, fresh = (socket.create_connection(place_of(running.url), PATIENCE) for _ in range(3))
    with idle, half, fresh:
        for used in (idle, half):
            used.sendall(b"GET /health HTTP/1.1\r\nHost: vault\r\n\r\n")
            while not used.recv(65536).endswith(b"}"):
                pass
        half.sendall(b"GET /openapi.json HTTP/1.1\r\n")
        httpx.get(f"{running.url}/health").raise_for_status()  # by now all of it has arrived

        running.process.send_signal(signal.SIGTERM)
        assert idle.recv(1) == b""
        half.sendall(b"Host: vault\r\n\r\n")
        fresh.sendall(b"GET /health HTTP/1.1\r\nHost: vault\r\n\r\n")
        answers = [used.makefile("rb").read() for used in (half, fresh)]

    assert [answer.split(b"\r\n")[0] for answer in answers] == [b"HTTP/1.1 200 OK"] * 2
    assert running.process.wait(PATIENCE) == 0


def test_a_node_that_drains_serves_and_is_not_ready(holdfast: Holdfast) -> None:
    """For the seconds of `--drain` it takes requests, says so at /ready, and each answer ends its connection."""
    running = holdfast.serve("--drain", "600")
    with httpx.Client(base_url=running.url, timeout=PATIENCE) as kept:
        kept.get("/health")
        running.process.send_signal(signal.SIGTERM)
        while kept.get("/ready").status_code == 200:
            pass
        ready = httpx.get(f"{running.url}/ready")
        served = httpx.get(f"{running.url}/openapi.json")

    assert (ready.status_code, ready.json()["error"]) == (503, "Service Unavailable")
    assert (served.status_code, served.headers["connection"]) == (200, "close")
    assert running.stop() == 0  # a second signal: nobody waits 600 seconds


def test_what_waits_at_a_listener_that_closes_is_taken() -> None:
    """Connections that nobody had accepted are given to be served; from then on others are refused."""
    listener = listening.listen("127.0.0.1", 0)
    address = listener.getsockname()
    clients = [socket.create_connection(address, PATIENCE) for _ in range(3)]

    waiting = listening.close_to_new(listener)

    assert sorted(taken.getpeername() for taken in waiting) == sorted(client.getsockname() for client in clients)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, PATIENCE)
    for each in [*waiting, *clients, listener]:
        each.close()


def test_drain_is_for_one_process(holdfast: Holdfast) -> None:
    """Several workers share a listener, so none of them can leave before the others."""
    refused = holdfast.run("serve", "--drain", "5", "--workers", "2")

    assert refused.status == 2
    assert "start more nodes" in refused.err


def place_of(url: str) -> tuple[str, int]:
    return "127.0.0.1", urlsplit(url).port or 0


async def test_it_serves_from_postgresql(holdfast: Holdfast, postgres_server: PostgresServer) -> None:
    """A database URL and a master key are all that changes; two processes share the database."""
    async with postgres_server.database() as url:
        key = holdfast.run("keys", "new").out.strip()
        holdfast.settings |= {"HOLDFAST_DATABASE_URL": url, "HOLDFAST_MASTER_KEY": key}
        application = holdfast.application()

        running = holdfast.serve("--workers", "2")

        assert connections(running.url, application).status_code == 200
        assert running.stop() == 0


def test_no_core_dump_holds_what_was_opened(holdfast: Holdfast) -> None:
    """The process sees to it by itself, whatever starts it."""
    limits = Path(f"/proc/{holdfast.serve().process.pid}/limits").read_text()

    assert re.search(r"Max core file size\s+0\s+0\s", limits)


def test_a_second_start_keeps_everything(holdfast: Holdfast) -> None:
    """Master key, admin token and what is sealed under them are those of the first start."""
    holdfast.serve().stop()
    kept = {f.name: f.read_bytes() for f in holdfast.data.iterdir() if f.is_file() and f.suffix != ".db"}
    application = holdfast.application()

    running = holdfast.serve()

    assert {name: (holdfast.data / name).read_bytes() for name in kept} == kept
    assert connections(running.url, application).status_code == 200


@pytest.mark.parametrize("url", ["", "sqlite:///elsewhere.db"])
def test_a_database_without_its_key_is_refused(holdfast: Holdfast, url: str) -> None:
    """A vanished master key is told by its name, and no new one takes its place."""
    holdfast.settings["HOLDFAST_DATABASE_URL"] = url
    holdfast.application()
    (holdfast.data / "master.key").unlink()

    assert f"{Path('holdfast-data/master.key')} does not exist" in error_of(holdfast)
    assert not (holdfast.data / "master.key").exists()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_damaged_database_is_refused(holdfast: Holdfast, workers: str) -> None:
    """One line says so before anything is served, whichever table the damaged page belongs to."""
    holdfast.application()
    file = holdfast.data / "holdfast.db"
    whole = file.read_bytes()
    file.write_bytes(whole[:-4096] + b"\xa5" * 4096)

    refused = holdfast.run("serve", "--port", "0", "--workers", workers)

    assert (refused.status, refused.out) == (1, "")
    assert refused.err.startswith(f"Error: The database {Path('holdfast-data/holdfast.db')} is damaged")


def test_a_wrong_key_is_refused(holdfast: Holdfast) -> None:
    """The ids of the key that is needed and of the one that was given are told, no key is."""
    holdfast.application()
    needed = holdfast.run("keys", "check", "--json").json[0]["id"]
    other = holdfast.run("keys", "new").out.strip()

    refusal = error_of(holdfast, HOLDFAST_MASTER_KEY=other)

    assert needed in refusal
    assert other not in refusal


def test_a_key_file_that_others_may_read_is_refused(holdfast: Holdfast) -> None:
    """A master key that the group may read is as good as published."""
    holdfast.application()
    (holdfast.data / "master.key").chmod(0o640)

    assert "chmod 600" in error_of(holdfast)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("HOLDFAST_LOG_LEVEL", "chatty", "is not one of debug, info, warning, error"),
        ("HOLDFAST_DATABASE_URL", "sqlite:holdfast.db", "The database URL must be"),
        ("HOLDFAST_CONNECTORS_DIR", "/dev/null", "There is no directory /dev/null"),
        ("HOLDFAST_EGRESS_ALLOW", "10.0.0.0/33", "10.0.0.0/33"),
        ("HOLDFAST_ADMIN_TOKEN", "letmein", "could be guessed"),
        ("HOLDFAST_DATA_DIR", "/proc/holdfast", "/proc/holdfast"),
    ],
)
def test_a_wrong_setting_is_refused(holdfast: Holdfast, name: str, value: str, says: str) -> None:
    """A setting that cannot be meant ends the start with one line that says what would be right."""
    assert says in error_of(holdfast, **{name: value})


def test_an_empty_admin_token_opens_nothing(holdfast: Holdfast) -> None:
    """An admin token file that lost its content is refused: an empty token would fit an empty header."""
    holdfast.application()
    (holdfast.data / "admin.token").write_text("")

    assert "could be guessed" in error_of(holdfast)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_port_that_is_taken_is_told(holdfast: Holdfast, workers: str) -> None:
    """Somebody else's port ends the start with one line that names it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = holdfast.run("serve", "--port", port, "--workers", workers)

    assert refused.status == 1
    assert refused.err == f"Error: 127.0.0.1:{port} cannot be listened on: Address already in use.\n"


@pytest.mark.parametrize(
    ("host", "settings", "warns"),
    [
        ("0.0.0.0", {}, True),
        ("0.0.0.0", {"HOLDFAST_PUBLIC_URL": "https://vault.example.com"}, False),
    ],
)
def test_links_that_lead_nowhere_are_warned_of(
    holdfast: Holdfast, host: str, settings: dict[str, str], warns: bool
) -> None:
    """Whoever serves the world with links to this machine has forgotten HOLDFAST_PUBLIC_URL."""
    running = holdfast.serve("--host", host, settings=settings)
    running.stop()

    assert ("but HOLDFAST_PUBLIC_URL is still http://127.0.0.1:8000" in running.err) == warns


def test_a_key_beside_its_database_is_warned_of(holdfast: Holdfast) -> None:
    """The warning is there by default, and gone when the key lies elsewhere."""
    beside = holdfast.serve()
    beside.stop()
    elsewhere = holdfast.directory / "master.key"
    (holdfast.data / "master.key").rename(elsewhere)
    apart = holdfast.serve(settings={"HOLDFAST_MASTER_KEY_FILE": str(elsewhere)})
    apart.stop()

    assert "the master key lies beside the database" in beside.err
    assert "the master key lies beside the database" not in apart.err


@pytest.mark.parametrize(
    ("version", "safe"),
    [((3, 11, 9), "3.11.10"), ((3, 11, 10), None), ((3, 12, 5), "3.12.6"), ((3, 12, 6), None), ((3, 13, 0), None)],
)
def test_a_python_with_known_holes_is_named(version: tuple[int, int, int], safe: str | None) -> None:
    """The first release of the same line that has the fixes is the one to install."""
    told = interpreter.outdated(version)

    assert (told is None) == (safe is None)
    assert told is None or f"install {safe} or newer" in told


def test_an_outdated_python_is_warned_of_and_logged(holdfast: Holdfast) -> None:
    """Both who starts it and who only reads its log learn it, where it is so."""
    running = holdfast.serve()
    running.stop()

    told = interpreter.outdated()
    logged = [json.loads(line) for line in running.err.splitlines() if line.startswith("{")]
    assert [line["what"] for line in logged if line["event"] == "outdated_python"] == ([told] if told else [])
    assert (f"Warning: {told}" in running.err) == (told is not None)


def test_a_database_password_is_not_shown(holdfast: Holdfast) -> None:
    """A server that cannot reach its PostgreSQL says so without the URL's password."""
    url = "postgresql://holdfast:correct-horse@127.0.0.1:1/holdfast"
    key = holdfast.run("keys", "new").out.strip()

    refused = holdfast.run("serve", "--port", "0", settings={"HOLDFAST_DATABASE_URL": url, "HOLDFAST_MASTER_KEY": key})

    assert refused.status == 1
    assert refused.err.startswith("Error: ")
    assert "correct-horse" not in refused.err + refused.out


def test_the_access_log_holds_routes_and_no_values(holdfast: Holdfast) -> None:
    """A line has method, route, status and milliseconds; neither a query nor what stood in the path."""
    running = holdfast.serve()
    httpx.get(f"{running.url}/vault/callback?state=5ecret&code=5ecret")
    httpx.get(f"{running.url}/vault/authorize/pipedrive/5ecret?state=5ecret")
    httpx.get(f"{running.url}/5ecret/page?token=5ecret")
    httpx.get(f"{running.url}/health")
    running.stop()

    lines = [json.loads(line) for line in running.err.splitlines() if line.startswith("{")]
    told = [(line["method"], line["route"], line["status"]) for line in lines if line["event"] == "request"]
    assert told == [
        ("GET", "/vault/callback", 400),
        ("GET", "/vault/authorize/{service_id}/{application_id}", 404),
        ("GET", "-", 404),
    ]
    assert "5ecret" not in running.err


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_access_log_is_whole(holdfast: Holdfast, workers: str) -> None:
    """Every request that was answered has its line, also those of the moment before the end."""
    running = holdfast.serve("--workers", workers)
    with httpx.Client(base_url=running.url, timeout=PATIENCE) as client:
        for _ in range(20):
            client.get("/docs")
    running.stop()

    lines = [json.loads(line) for line in running.err.splitlines() if line.startswith("{")]
    told = [line for line in lines if line["event"] == "request"]
    assert len(told) == 20
    assert {(line["level"], line["method"], line["route"], line["status"]) for line in told} == {
        ("info", "GET", "/docs", 200)
    }
    assert all(re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["timestamp"]) for line in told)
    assert [line["timestamp"] for line in told] == sorted(line["timestamp"] for line in told)


def test_requests_are_answered_without_a_log(holdfast: Holdfast) -> None:
    """A reader of the log that has gone away takes no answer with it; the lines that nobody reads are counted."""
    reader, writer = os.pipe()
    running = holdfast.start("serve", "--port", "0", errors=writer)
    os.close(writer)
    os.close(reader)

    assert {httpx.get(f"{running.url}/docs", timeout=PATIENCE).status_code for _ in range(3)} == {200}
    assert httpx.get(f"{running.url}/vault/connections", timeout=PATIENCE).status_code == 401
    counted = re.search(r"^holdfast_log_lost_total (\S+)", httpx.get(f"{running.url}/metrics").text, re.MULTILINE)
    assert counted
    assert float(counted[1]) >= 3
    assert running.stop() == 0


def test_the_access_log_can_be_turned_off(holdfast: Holdfast) -> None:
    """From the level warning on, requests are not told."""
    running = holdfast.serve(settings={"HOLDFAST_LOG_LEVEL": "warning"})
    httpx.get(f"{running.url}/vault/connections")
    running.stop()

    assert '"request"' not in running.err


def test_a_directory_of_connectors_may_be_named_before_it_is_there(holdfast: Holdfast) -> None:
    """It starts with the connectors that come with it, and warns."""
    named = str(holdfast.data / "connectors")

    running = holdfast.serve(settings={"HOLDFAST_CONNECTORS_DIR": named})

    assert httpx.get(f"{running.url}/health").status_code == 200
    assert running.stop() == 0
    assert f"HOLDFAST_CONNECTORS_DIR names {named}, which is not there" in running.err


def test_a_data_directory_that_others_may_read_is_warned_of(holdfast: Holdfast) -> None:
    """An operator who made it with the mode of their shell is told what to do."""
    holdfast.data.mkdir(mode=0o755, exist_ok=True)
    holdfast.data.chmod(0o755)

    running = holdfast.serve()

    assert running.stop() == 0
    assert f"other users may look into {holdfast.data}; run `chmod 700 {holdfast.data}`" in running.err

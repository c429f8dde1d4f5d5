"""Where a call really goes: no internal listener is reached, whatever the URL, the name server or the answer say."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from holdfast.domain.exchange import Request
from holdfast.errors import EgressRefused, NoAnswer

LOOPBACK_SPELLINGS = [
    "127.0.0.1", "127.0.0.2", "127.1.2.3", "127.255.255.254", "127.1", "127.0.1", "0", "0.0.0.0", "0.0.0.1",
    "2130706433", "017700000001", "0x7f000001", "0x7f.0.0.1", "0x7f.1", "0177.0.0.1", "0177.1", "127.0.0.01",
    "127.0.0.1.", "127.0.0.0x1", "127.00.00.01", "127.0.0.1%00", "127。0。0。1", "①②⑦.0.0.1", "[::1]", "[::]",
    "[0:0:0:0:0:0:0:1]", "[0000::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[::7f00:1]",
    "[::ffff:0:127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b::127.0.0.1]", "[64:ff9b:1::7f00:1]",
    "[64:ff9b:1:ffff::7f00:1]", "[2002:7f00:1::]", "[2001:0:7f00:1::]", "[::1%25lo]", "[::1%lo]",
    "[fe80::1%25eth0]", "localhost", "localhost.", "LOCALHOST", "localhost.localdomain",
]  # fmt: skip
INTERNAL = [
    "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "168.63.129.16", "169.254.169.254",
    "169.254.170.2", "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.0.192", "192.0.2.1", "192.88.99.1",
    "192.168.0.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1",
    "255.255.255.255", "[::ffff:10.0.0.1]", "[::ffff:a9fe:a9fe]", "[64:ff9b::a00:1]",
    "[64:ff9b::169.254.169.254]", "[2002:a9fe:a9fe::]", "[100::1]", "[2001:db8::1]", "[3fff::1]", "[5f00::1]",
    "[fc00::1]", "[fd00:ec2::254]", "[fe80::1]", "[fec0::1]", "[ff02::1]",
]  # fmt: skip


@pytest.mark.parametrize("host", LOOPBACK_SPELLINGS + INTERNAL)
async def test_no_spelling_of_an_internal_address_is_called(host: str, listen: Any, open_door: Any) -> None:
    """An internal address is refused in every notation, whoever would resolve it, and nobody connects."""

    async def loopback(name: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    trap = await listen()
    door = open_door(allow="", resolver=loopback)

    with pytest.raises(EgressRefused):
        await door.send(Request("GET", f"https://{host}:{trap.port}/", hosts=(f"{host}:{trap.port}",)))
    assert trap.connections == 0


@pytest.mark.parametrize(
    "answers",
    [
        ["127.0.0.1"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["93.184.216.34", "127.0.0.1"],
        ["127.0.0.1", "93.184.216.34"],
        ["2606:4700::1111", "::1"],
        ["93.184.216.34", "64:ff9b::7f00:1"],
        ["fe80::1%lo"],
        ["localhost"],
        ["127.1"],
    ],
)
async def test_one_internal_answer_forbids_the_name(answers: list[str], listen: Any, open_door: Any) -> None:
    """A name is called only if every address behind it may be called."""
    trap = await listen()
    door = open_door(allow="", names={"api.pipedrive.com": answers})

    with pytest.raises(EgressRefused):
        await door.send(
            Request("GET", f"https://api.pipedrive.com:{trap.port}/", hosts=(f"api.pipedrive.com:{trap.port}",))
        )
    assert trap.connections == 0


async def test_a_name_that_changes_its_mind_changes_nothing(listen: Any, open_door: Any, authority: Any) -> None:
    """The connection goes to the address that was checked, though the name server gives another one the next time."""
    tls = authority.server("api.pipedrive.com")
    wanted = await listen(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", tls=tls)
    trap = await listen(host="127.0.0.2", port=wanted.port, tls=tls)
    asked: list[str] = []

    async def flip(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) % 2 else ["127.0.0.2"]

    request = Request(
        "GET",
        f"https://api.pipedrive.com:{wanted.port}/",
        hosts=("*.pipedrive.com", f"api.pipedrive.com:{wanted.port}"),
    )
    for _ in range(10):
        door = open_door(allow="127.0.0.1", resolver=flip, tls=authority.client)
        assert (await door.send(request)).status == 200
        assert (await door.send(request)).status == 200
        with pytest.raises(EgressRefused):
            await open_door(allow="127.0.0.1", resolver=flip, tls=authority.client).send(request)

    assert (wanted.connections, trap.connections, len(asked)) == (20, 0, 20)


async def test_an_allowed_name_is_called_over_plain_http(listen: Any, open_door: Any) -> None:
    """What the allow list names may be private, on any port, without TLS."""
    server = await listen()
    door = open_door(allow="keycloak.internal", names={"keycloak.internal": ["127.0.0.1"]})

    response = await door.send(Request("GET", f"http://keycloak.internal:{server.port}/realms"))

    assert (response.status, response.document()) == (200, {})
    assert f"Host: keycloak.internal:{server.port}\r\n".encode() in server.received[0]


async def test_the_system_answers_for_names_when_no_other_resolver_is_given(listen: Any, open_door: Any) -> None:
    """`localhost` leads where the machine says, once the operator has named it."""
    server = await listen()

    response = await open_door(allow="localhost", resolver=None).send(
        Request("GET", f"http://localhost:{server.port}/")
    )

    assert response.status == 200


async def test_a_credential_goes_to_no_host_but_its_own(listen: Any, open_door: Any) -> None:
    """A request for a host outside its pins does not leave, although the policy would let it."""
    trap = await listen()
    door = open_door()

    with pytest.raises(EgressRefused):
        await door.send(
            Request(
                "GET",
                f"http://127.0.0.1:{trap.port}/",
                {"Authorization": "Bearer v1u:AQIBAHj"},
                hosts=("api.pipedrive.com", "*.pipedrive.com", "127.0.0.1"),
            )
        )
    assert trap.connections == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_redirect_is_an_answer(status: int, method: str, listen: Any, open_door: Any) -> None:
    """The credential is not carried to where a server points: the 3xx comes back as it is."""
    trap = await listen()
    head = f"HTTP/1.1 {status} Moved\r\nLocation: http://127.0.0.1:{trap.port}/\r\nRefresh: 0;url=http://127.0.0.1:{trap.port}/"
    server = await listen(f"{head}\r\nContent-Length: 0\r\n\r\n".encode())

    response = await open_door().send(
        Request(method, f"http://127.0.0.1:{server.port}/oauth/token", {"Authorization": "Basic YTpi"}, b"grant_type=x")
    )

    assert (response.status, response.headers["location"]) == (status, f"http://127.0.0.1:{trap.port}/")
    assert (len(server.received), trap.connections) == (1, 0)


async def test_the_environment_has_no_say(
    listen: Any, open_door: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither a proxy nor a .netrc of the process changes where a request goes or what it carries."""
    server, trap = await listen(), await listen()
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{trap.port}")
        monkeypatch.setenv(name.lower(), f"http://127.0.0.1:{trap.port}")
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))

    await open_door().send(Request("GET", f"http://127.0.0.1:{server.port}/"))

    assert trap.connections == 0
    assert b"authorization" not in server.received[0].lower()


async def test_the_name_is_verified_although_the_address_is_pinned(listen: Any, open_door: Any, authority: Any) -> None:
    """TLS asks for the host of the URL (SNI) and checks the certificate against it, not against the address."""
    asked: list[str] = []
    tls: ssl.SSLContext = authority.server("api.pipedrive.com")
    tls.sni_callback = lambda _, name, __: asked.append(name)
    server = await listen(tls=tls)
    door = open_door(names={"api.pipedrive.com": ["127.0.0.1"]}, tls=authority.client)

    response = await door.send(
        Request("GET", f"https://api.pipedrive.com:{server.port}/", hosts=(f"*.pipedrive.com:{server.port}",))
    )

    assert (response.status, asked) == (200, ["api.pipedrive.com"])


@pytest.mark.parametrize("fault", ["wrong name", "address instead of name", "expired", "unknown authority"])
async def test_a_server_that_cannot_prove_its_name_gets_no_request(
    fault: str, listen: Any, open_door: Any, authority: Any
) -> None:
    """Without a valid certificate for the host nothing is sent, and the caller knows that nothing was."""
    names = {"wrong name": ["evil.example", "*.pipedrive.com.evil.example"], "address instead of name": ["127.0.0.1"]}
    server = await listen(
        tls=authority.server(*names.get(fault, ["api.pipedrive.com"]), until=2021 if fault == "expired" else 2120)
    )
    client = {} if fault == "unknown authority" else {"tls": authority.client}
    door = open_door(names={"api.pipedrive.com": ["127.0.0.1"]}, **client)

    with pytest.raises(NoAnswer, match="certificate") as refused:
        await door.send(
            Request("POST", f"https://api.pipedrive.com:{server.port}/", hosts=(f"api.pipedrive.com:{server.port}",))
        )
    assert (refused.value.may_have_acted, server.received) == (False, [])


async def test_session_keys_are_written_nowhere(
    listen: Any, open_door: Any, authority: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """SSLKEYLOGFILE in the environment does not make the door write down what would decrypt its traffic."""
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    server = await listen(tls=authority.server("127.0.0.1"))

    with pytest.raises(NoAnswer):
        await open_door().send(Request("GET", f"https://127.0.0.1:{server.port}/"))
    assert not (tmp_path / "keys").exists()

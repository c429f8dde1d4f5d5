"""A certificate of ours: shown to servers that ask, kept apart from other callers', printed nowhere."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from holdfast.domain.credential import ClientCertificate, Secret
from holdfast.domain.door import Limits, Upload
from holdfast.domain.exchange import Request
from holdfast.errors import NoAnswer, RequestValidationError
from holdfast.outbound.tls import KEPT, Contexts

HOST = "api.adp.example"


@pytest.fixture
def asking(listen: Any, open_door: Any, authority: Any) -> Any:
    """Starts a server that asks for a certificate, and gives a door to it, a request, and whom it has met."""

    async def start(
        newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3, **more: Any
    ) -> tuple[Any, Request, list[str], Any]:
        met: list[str] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            """Answers, and reads the head of one request after the other."""
            shown = writer.get_extra_info("peercert") or {}
            met.append(next((value for ((_, value),) in shown.get("subject", ())), ""))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            await reader.readuntil(b"\r\n\r\n")  # the next request on the same connection
            await serve(reader, writer)

        tls = authority.server(HOST, asks=True)
        tls.maximum_version = newest
        server = await listen(serve, tls=tls)
        door = open_door(names={HOST: ["127.0.0.1"]}, tls=authority.client)
        url = f"https://{HOST}:{server.port}/hr/v2/workers"
        return door, Request("POST", url, hosts=(f"{HOST}:{server.port}",)), met, server

    return start


async def test_both_verbs_show_the_certificate_of_their_request(asking: Any, authority: Any) -> None:
    """A server that talks to nobody else learns who calls."""
    door, bare, met, _ = await asking()
    request = replace(bare, certificate=authority.certificate("acme"))

    assert (await door.send(request)).document() == {}
    async with door.open(request, Upload(_one_piece(), length=0)) as answer:
        assert answer.status == 200

    assert met == ["acme", "acme"]


async def _one_piece() -> Any:
    yield b""


async def test_a_connection_serves_no_other_certificate(asking: Any, authority: Any) -> None:
    """Two callers with certificates of their own never meet on one connection, nor does a third without any."""
    door, bare, met, _ = await asking()

    for name in ("acme", "umbrella", "acme"):
        async with door.open(replace(bare, certificate=authority.certificate(name))) as answer:
            assert [piece async for piece in answer.stream()] == [b"{}"]
    with pytest.raises(NoAnswer):
        await door.send(bare, limits=Limits(total=2))

    assert met == ["acme", "umbrella", "acme"]


class Refusing:
    """A server that tells whom it does not let in, and why (asyncio's own closes without a word)."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self.alerts: list[str] = []
        self._tls = tls
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Refusing:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(5)
        self._listening.close()

    def _serve(self) -> None:
        connection, _ = self._listening.accept()
        with connection, socket.socket(fileno=os.dup(connection.fileno())) as below:
            shaking = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
            try:
                shaking.do_handshake()
            except ssl.SSLError as refused:
                self.alerts.append(str(refused.reason))
            with shaking:
                below.settimeout(5)
                while below.recv(65536):  # a reset would take the alert away from the client
                    pass


@pytest.mark.parametrize("shown", ["none", "expired", "of a stranger"])
async def test_a_server_that_refuses_the_certificate_has_not_acted(
    shown: str, open_door: Any, authority: Any, tmp_path: Path
) -> None:
    """TLS 1.3 lets the request go before the server has looked; it is refused unread, and another try is no use."""
    certificates = {
        "none": None,
        "expired": authority.certificate("acme", until=2021),
        "of a stranger": type(authority)(tmp_path).certificate("acme"),
    }
    door = open_door(names={HOST: ["127.0.0.1"]}, tls=authority.client)

    with Refusing(authority.server(HOST, asks=True)) as server:
        to = f"{HOST}:{server.port}"
        request = Request("POST", f"https://{to}/", hosts=(to,), certificate=certificates[shown])
        with pytest.raises(NoAnswer, match="does not accept the client certificate") as failed:
            await door.send(request, limits=Limits(total=5))

    assert (failed.value.may_have_acted, failed.value.retryable, len(server.alerts)) == (False, False, 1)


async def test_a_server_that_leaves_without_a_word_may_have_acted(asking: Any) -> None:
    """Without the server's word on the certificate, a request that left is one that may have arrived."""
    door, bare, met, _ = await asking()

    with pytest.raises(NoAnswer) as failed:
        await door.send(bare, limits=Limits(total=5))

    assert (failed.value.may_have_acted, met) == (True, [])


async def test_a_server_that_refuses_within_the_handshake_got_nothing(asking: Any) -> None:
    """TLS 1.2 ends before the request leaves."""
    door, bare, _, server = await asking(ssl.TLSVersion.TLSv1_2)

    with pytest.raises(NoAnswer) as failed:
        await door.send(bare, limits=Limits(total=5))

    assert (failed.value.may_have_acted, server.received) == (False, [])


def locked(key: Secret) -> Secret:
    """The key under a password."""
    opened = load_pem_private_key(key.reveal().encode(), None)
    return Secret(opened.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"pass")).decode())


@pytest.mark.parametrize("wrong", ["no PEM", "key of another", "locked key"])
async def test_a_certificate_that_cannot_be_used_is_refused_before_anything_leaves(
    wrong: str, asking: Any, authority: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither its text nor OpenSSL's is told, and nobody is asked for a password."""
    door, bare, _, server = await asking()
    good, other = authority.certificate("acme"), authority.certificate("umbrella")
    given = {
        "no PEM": ClientCertificate("canary", Secret("canary")),
        "key of another": replace(good, key=other.key),
        "locked key": replace(good, key=locked(good.key)),
    }

    with pytest.raises(RequestValidationError) as refused:
        await door.send(replace(bare, certificate=given[wrong]))

    assert str(refused.value) == "The client certificate and its key cannot be used."
    assert (refused.value.__context__, server.connections) == (None, 0)
    assert capfd.readouterr().err == ""


async def test_a_key_is_written_nowhere(
    asking: Any, authority: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """It prints in no representation and no log, lies in no file, and no descriptor to it stays open."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    caplog.set_level(logging.DEBUG)
    door, bare, _, _ = await asking()
    certificate = authority.certificate("acme")
    request = replace(bare, certificate=certificate)

    with structlog.testing.capture_logs() as logs:
        await door.send(request)

    shown = repr(request) + repr(certificate) + str(logs) + caplog.text
    assert "PRIVATE KEY" not in shown
    assert "CERTIFICATE-----" not in shown
    assert list(tmp_path.iterdir()) == []
    assert not [name for name in map(_target, os.listdir("/proc/self/fd")) if "pem" in name]


def _target(descriptor: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    except FileNotFoundError:  # the one that listed the others
        return ""


async def test_contexts_are_made_once_and_not_kept_for_ever(authority: Any) -> None:
    """The same certificate gets the same context; of many, those that were used last are kept."""
    contexts = Contexts(authority.client)
    first = authority.certificate("first")
    kept = await contexts.of(first)
    crowd = [authority.certificate(str(number)) for number in range(KEPT)]

    assert await contexts.of(first) is kept
    for certificate in crowd[:-1]:
        await contexts.of(certificate)
    assert await contexts.of(first) is kept
    for certificate in [*crowd, authority.certificate("one more")]:
        await contexts.of(certificate)
    assert await contexts.of(first) is not kept


async def test_a_certificate_that_many_want_at_once_gets_one_context(authority: Any) -> None:
    """Calls at the same moment share a context, and with it their connections."""
    contexts, certificate = Contexts(authority.client), authority.certificate("acme")

    made = await asyncio.gather(*(contexts.of(certificate) for _ in range(8)))

    assert len(set(map(id, made))) == 1

"""Servers on loopback that count who comes, and doors that lead to them."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from holdfast.domain.credential import ClientCertificate, Secret
from holdfast.outbound import EgressPolicy, Outbound

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


@dataclass
class Listener:
    """A server, and what reached it: `connections` counts accepts, `received` holds whole requests."""

    host: str
    port: int = 0
    connections: int = 0
    received: list[bytes] = field(default_factory=list)

    async def read(self, reader: asyncio.StreamReader) -> bytes:
        """One request, kept in `received`. asyncio.IncompleteReadError when the client has gone."""
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
        )
        self.received.append(head + await reader.readexactly(length))
        return self.received[-1]


Listen = Callable[..., Awaitable[Listener]]
OpenDoor = Callable[..., Outbound]


@pytest.fixture
async def listen() -> AsyncIterator[Listen]:
    """Starts a server that gives `answer` to each request, or behaves as told once it has read one."""
    servers: list[asyncio.Server] = []
    writers: list[asyncio.StreamWriter] = []

    async def start(
        answer: bytes | Behaviour = OK, *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
    ) -> Listener:
        listener = Listener(host)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            listener.connections += 1
            writers.append(writer)
            try:
                while True:
                    await listener.read(reader)
                    if not isinstance(answer, bytes):
                        return await answer(reader, writer)
                    writer.write(answer)
            except (asyncio.IncompleteReadError, ConnectionError):
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(serve, host, port, ssl=tls)
        servers.append(server)
        listener.port = server.sockets[0].getsockname()[1]
        return listener

    yield start
    for server in servers:
        server.close()
    for writer in writers:
        writer.transport.abort()
    await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)


@pytest.fixture
async def open_door() -> AsyncIterator[OpenDoor]:
    """Makes doors; `names` says where host names lead."""
    doors: list[Outbound] = []

    def make(allow: str = "127.0.0.1", names: dict[str, list[str]] | None = None, **options: Any) -> Outbound:
        async def resolve(host: str, port: int) -> list[str]:
            return (names or {}).get(host, [])

        doors.append(Outbound(EgressPolicy.parse(allow), **{"resolver": resolve, **options}))
        return doors[-1]

    yield make
    for door in doors:
        await door.close()


class Authority:
    """A certificate authority that lives as long as the test run."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
        self._certificate = self._sign(self._name, self._key, x509.BasicConstraints(ca=True, path_length=None))

    def client(self) -> ssl.SSLContext:
        """Verifies servers as the system's own context does, against this authority alone."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=self._pem(self._certificate).decode())
        return context

    def server(self, *names: str, until: int = 2120, asks: bool = False) -> ssl.SSLContext:
        """A server's context, with a certificate for `names` that is good until the first day of that year.

        `asks`: it talks to nobody without a certificate of this authority.
        """
        certificate, key = self._issue(x509.SubjectAlternativeName([_general(n) for n in names]), names[0], until)
        path = self._directory / f"{names[0]}-{until}.pem"
        path.write_text(key + certificate)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        if asks:
            context.load_verify_locations(cadata=self._pem(self._certificate).decode())
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def certificate(self, name: str, until: int = 2120) -> ClientCertificate:
        """What a client shows to prove that it is `name`."""
        certificate, key = self._issue(x509.BasicConstraints(ca=False, path_length=None), name, until)
        return ClientCertificate(certificate, Secret(key))

    def _issue(self, extension: x509.ExtensionType, name: str, until: int) -> tuple[str, str]:
        """A certificate and its key, in PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return self._pem(self._sign(subject, key, extension, until)).decode(), secret.decode()

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType, until: int = 2120
    ) -> x509.Certificate:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC))
            .not_valid_after(datetime.datetime(until, 1, 1, tzinfo=datetime.UTC))
            .add_extension(extension, critical=False)
            .sign(self._key, hashes.SHA256())
        )

    def _pem(self, certificate: x509.Certificate) -> bytes:
        return certificate.public_bytes(serialization.Encoding.PEM)


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))

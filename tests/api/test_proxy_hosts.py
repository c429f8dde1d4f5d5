"""The proxy: where a caller cannot send a connection's credential, whatever the URL looks like."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from nodes import Deploy
from proxying import mirroring, proxy
from watched_database import with_vault

from holdfast.domain.door import STREAM, Limits, Upload
from holdfast.domain.exchange import Request
from holdfast.outbound import EgressPolicy
from holdfast.testing.clock import TestClock
from holdfast.testing.harness import PUBLIC_URL, Deployment
from holdfast.testing.network import FakeNetwork

OWN = "127.0.0.1:9000"

# Loopback, private, link-local and special addresses, in the notations that some program or other reads.
LITERALS = (
    "127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001", "0", "0.0.0.0",
    "127.0.0.1.", "127.0.0.2", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "169.254.170.2",
    "100.64.0.1", "192.0.0.8", "192.88.99.1", "198.18.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1",
    "168.63.129.16",
    "[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]",
    "[64:ff9b:1::1]", "[2002:7f00:1::]", "[2001::1]", "[fe80::1]", "[fe80::1%25eth0]", "[fec0::1]", "[fc00::1]",
    "[fd00:ec2::254]", "[ff02::1]", "localhost", "localhost.", "localhost.localdomain", "metadata", "vault",
    "metadata.google.internal", "127.0.0.1.nip.io", "①②⑦.0.0.1", "127。0。0。1",
)  # fmt: skip

# Hosts that are nearly one of the service's, or that two programs read differently.
LOOKALIKES = (
    f"{OWN}.evil.example", f"evil-{OWN}", f"{OWN}@evil.example", f"user@{OWN}", f"user:pw@{OWN}",
    f"{OWN}\\@evil.example", f"{OWN}\\.evil.example", f"evil.example\\@{OWN}",
    f"{OWN}#@evil.example", f"evil.example#@{OWN}",
    f"evil.example?@{OWN}", f"evil.example;@{OWN}", f"{OWN}%00.evil.example", f"{OWN}%2f.evil.example",
    f"{OWN}%23.evil.example", f"{OWN}%40evil.example", f"{OWN}\t.evil.example", f"{OWN} .evil.example",
    "127.0.0.1:9001", "127.0.0.1", "127.0.0.1:", "127.0.0.1:09000", "127.0.0.1:9000:80", "127.0.0.1:65536",
    "[::1]:9000", "xn--127-0-0-1.example", "%31%32%37.0.0.1:9000", "", ":9000", "@",
)  # fmt: skip

SCHEMES = (
    "file:///etc/passwd", "gopher://127.0.0.1:9000/_x", "ftp://127.0.0.1:9000/", "unix:/run/docker.sock",
    "http+unix://%2Frun%2Fdocker.sock/info", "//127.0.0.1:9000/api/v1/mirror", "javascript:alert(1)", "data:,x",
    "ws://127.0.0.1:9000/api/v1/mirror", "jar:http://127.0.0.1:9000!/", "http:127.0.0.1:9000/",
    "http:/127.0.0.1:9000/", "http:///127.0.0.1:9000/", " http://127.0.0.1:9000/api/v1/mirror", "api/v1/mirror", "?x",
)  # fmt: skip

PATHS = (
    "/../admin", "/a/../../admin", "/./mirror", "/..", "/a/..;/admin", "/%2e%2e/admin", "/%2E./admin", "/.%2e/x",
    "\\..\\admin", "/mirror#fragment", "/mirror\tx", "/mirror x", "/mïrror", "/mirror?q=ü",
)  # fmt: skip


class Guarded(FakeNetwork):
    """The network of the tests behind the real policy, without the word of any address but the sandbox's."""

    policy = EgressPolicy.parse(OWN)

    def open(self, request: Request, upload: Upload | None = None, *, limits: Limits = STREAM):  # type: ignore[no-untyped-def]
        self.policy.check_url(request.url, request.hosts)
        return super().open(request, upload, limits=limits)


@pytest.fixture
async def guarded(deploy: Deploy) -> AsyncIterator[Deployment]:
    """A connected sandbox; `network.requests` are those that passed everything that stands before the wire."""
    clock = TestClock()
    async with deploy(clock=clock, provider=mirroring(clock)) as vault:
        await vault.connect()
        door = Guarded(vault.network.apps)
        guarded = with_vault(vault, door=door)
        guarded.network = door
        yield guarded


async def refused(vault: Deployment, url: str, **headers: str) -> None:
    """Nothing leaves, with the connection's credential or with the caller's own."""
    own = {"x-apideck-downstream-authorization": "Bearer of-the-callers-own"}
    for more in ({}, own):
        reply = await proxy(vault, url=url, headers={**headers, **more})
        assert reply.status in (400, 422), (url, reply.status)
    assert vault.network.requests == [], url


async def test_what_is_refused_elsewhere_is_the_url(guarded: Deployment) -> None:
    """The same call with the service's own URL goes through."""
    assert (await proxy(guarded, url=f"http://{OWN}/api/v1/mirror")).status == 200
    assert (await proxy(guarded, url=f"http://{OWN.upper()}/api/v1/mirror?a=/../b")).status == 200


async def test_no_address_is_called_that_is_not_the_services(guarded: Deployment) -> None:
    """Neither one of the machine, of its network or of a cloud, however it is written."""
    for literal in LITERALS:
        for scheme in ("https", "http"):
            await refused(guarded, f"{scheme}://{literal}/latest/meta-data/".encode().decode("latin-1"))


async def test_no_host_is_called_that_only_looks_like_the_services(guarded: Deployment) -> None:
    """Suffixes, prefixes, user information, other ports, and what parsers disagree about."""
    for host in LOOKALIKES:
        await refused(guarded, f"http://{host}/api/v1/mirror")
        await refused(guarded, f"https://{host}/api/v1/mirror")


async def test_no_other_scheme_is_called(guarded: Deployment) -> None:
    """Nor a URL without one that is no path."""
    for url in SCHEMES:
        await refused(guarded, url)


async def test_no_other_port_is_called(guarded: Deployment) -> None:
    """Mail, shells and databases on the service's own host."""
    for port in (21, 22, 25, 80, 443, 3306, 5432, 6379, 8000, 9200, 11211):
        await refused(guarded, f"http://127.0.0.1:{port}/")


async def test_the_vault_does_not_call_itself(guarded: Deployment) -> None:
    """By none of its paths."""
    for path in ("/proxy", "/manage/applications", "/health"):
        await refused(guarded, PUBLIC_URL + path)


async def test_no_path_is_called_that_reads_as_another(guarded: Deployment) -> None:
    """A rule about paths could be gone round by it."""
    for path in PATHS:
        await refused(guarded, f"http://{OWN}/api/v1{path}".encode().decode("latin-1"))
        if path.startswith("/"):
            await refused(guarded, path.encode().decode("latin-1"))


async def test_the_service_of_another_connection_is_not_called(guarded: Deployment) -> None:
    """A shipped connector that is set up as well has hosts of its own, and they are not this one's."""
    path = f"/applications/{guarded.application_id}/integrations/crm/pipedrive"
    await guarded.manage("PUT", path, json={"client_id": "a", "client_secret": "b"})

    await refused(guarded, "https://api.pipedrive.com/v1/users")

"""Bodies that stream: the provider as the far end, over a real network and over the one in this process."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from urllib.parse import urlsplit

import pytest

from holdfast.domain.door import Door, Upload
from holdfast.domain.exchange import Request
from holdfast.outbound import EgressPolicy, Outbound
from holdfast.testing.network import FakeNetwork
from holdfast.testing.provider import Files, SandboxProvider

MIB = 1 << 20
BLOCK = bytes(range(256)) * 1024

Reach = Callable[[SandboxProvider], contextlib.AbstractAsyncContextManager[Door]]


@contextlib.asynccontextmanager
async def over_sockets(provider: SandboxProvider) -> AsyncIterator[Door]:
    async with provider.serve():
        door = Outbound(EgressPolicy.parse(urlsplit(provider.url).netloc))
        yield door
        await door.close()


@contextlib.asynccontextmanager
async def in_process(provider: SandboxProvider) -> AsyncIterator[Door]:
    provider.url = "http://127.0.0.1:9000"
    yield FakeNetwork({"127.0.0.1:9000": provider.app})


@pytest.fixture(params=[over_sockets, in_process])
def reach(request: pytest.FixtureRequest) -> Reach:
    """A way to the provider; both doors must carry a body alike."""
    return request.param


class Source:
    """An upload that counts what was taken of it."""

    def __init__(self, size: int) -> None:
        self.size, self.taken = size, 0
        self.digest = hashlib.sha256()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self.taken < self.size:
            self.taken += len(BLOCK)
            self.digest.update(BLOCK)
            yield BLOCK


def to(provider: SandboxProvider, method: str, path: str) -> Request:
    token = provider.issue().access.value
    return Request(method, f"{provider.url}/api/v1/files{path}", {"Authorization": f"Bearer {token}"})


async def test_a_download_is_made_as_it_leaves(reach: Reach) -> None:
    """64 MiB arrive whole, and the provider has never made much more than was read."""
    files = Files()
    provider = SandboxProvider(api=files.routes())
    read, ahead = 0, 0

    async with reach(provider) as door, door.open(to(provider, "GET", f"/{64 * MIB}")) as answer:
        assert answer.status == 200
        async for piece in answer.stream():
            read += len(piece)
            ahead = max(ahead, files.given - read)

    assert read == 64 * MIB
    assert ahead < 16 * MIB


@pytest.mark.parametrize("length", [None, 64 * MIB])
async def test_an_upload_is_counted_as_it_comes(length: int | None, reach: Reach) -> None:
    """64 MiB arrive whole; the provider has heard of the call, but kept no body."""
    files, source = Files(), Source(64 * MIB)
    provider = SandboxProvider(api=files.routes())

    async with reach(provider) as door, door.open(to(provider, "POST", ""), Upload(source, length)) as answer:
        told = json.loads(b"".join([piece async for piece in answer.stream()]))

    assert (answer.status, told) == (201, {"size": 64 * MIB, "sha256": source.digest.hexdigest()})
    assert (files.taken, files.broken, provider.received[-1].body) == (64 * MIB, 0, b"")


async def test_both_ways_at_once(reach: Reach) -> None:
    """What is sent comes back while more is sent, and no side runs ahead."""
    files, source, read = Files(), Source(64 * MIB), 0
    provider = SandboxProvider(api=files.routes())

    async with reach(provider) as door, door.open(to(provider, "POST", "/echo"), Upload(source)) as answer:
        async for piece in answer.stream():
            read += len(piece)
            assert source.taken - read < 32 * MIB

    assert read == 64 * MIB


async def test_an_upload_that_breaks_off_is_seen_to_be_broken(reach: Reach) -> None:
    """A source that fails is the caller's to hear of; the provider never takes what came for the whole."""
    files = Files()
    provider = SandboxProvider(api=files.routes())

    async def failing() -> AsyncIterator[bytes]:
        yield BLOCK
        raise LookupError

    async with reach(provider) as door:
        with pytest.raises(LookupError):
            async with door.open(to(provider, "POST", ""), Upload(failing())):
                pass

    assert files.broken == 1


async def test_a_reader_that_leaves_ends_the_download(reach: Reach) -> None:
    """The provider makes no more of a body that nobody wants."""
    files = Files()
    provider = SandboxProvider(api=files.routes())

    async with reach(provider) as door, door.open(to(provider, "GET", f"/{1024 * MIB}")) as answer:
        await anext(answer.stream())

    assert files.given < 16 * MIB


async def test_an_upload_needs_a_token_too() -> None:
    """A stream passes the same door as every call of the API."""
    provider = SandboxProvider(api=Files().routes())
    network = FakeNetwork({"api.example.com": provider.app})

    async with network.open(Request("POST", "https://api.example.com/api/v1/files"), Upload(Source(MIB))) as answer:
        assert answer.status == 401

"""The proxy on real sockets: bodies of any size in either direction, and callers and services that go away."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from live import Live, live
from proxying import mirror
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

import openapi_client
from holdfast.http import proxy
from holdfast.testing.provider import ApiRoute
from holdfast.testing.provider.api import Call
from holdfast.testing.provider.files import Files

KIB = 1024
LEADS = b'{"data": [{"id": 7, "title": "Fleet contract"}]}'


class Endless(Response):
    """Sends until nobody listens any more; `left` is set then."""

    def __init__(self, media_type: str = "text/event-stream", pause: float = 0.01) -> None:
        super().__init__(media_type=media_type)
        self.raw_headers = [(b"content-type", media_type.encode())]
        self.left = asyncio.Event()
        self.silent = asyncio.Event()
        self.pause = pause

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sending = asyncio.create_task(self._send(send))
        while (await receive())["type"] != "http.disconnect":
            pass
        sending.cancel()
        self.left.set()

    async def _send(self, send: Send) -> None:
        if self.silent.is_set():
            return
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        number = 0
        while True:
            number += 1
            event = f"id: {number}\ndata: {{}}\n\n".encode()
            await send({"type": "http.response.body", "body": event, "more_body": True})
            await asyncio.sleep(self.pause)


class Taking(Response):
    """Takes the body piece by piece; `left` is set when it breaks off."""

    def __init__(self) -> None:
        super().__init__()
        self.taken, self.left = 0, asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async for piece in Request(scope, receive).stream():
                self.taken += len(piece)
        except ClientDisconnect:
            self.left.set()
            return
        await Response(json.dumps({"size": self.taken}))(scope, receive, send)


def ranged(call: Call) -> Response:
    """RFC 9110 section 14: the bytes that were asked for."""
    first, _, last = call.request.headers["range"].removeprefix("bytes=").partition("-")
    part = LEADS[int(first) : int(last) + 1]
    return Response(part, 206, {"content-range": f"bytes {first}-{last}/{len(LEADS)}"}, "application/json")


def packed(call: Call) -> Response:
    return Response(gzip.compress(LEADS), 200, {"content-encoding": "gzip"}, "application/json")


@pytest.fixture
def events() -> Endless:
    return Endless()


@pytest.fixture
def taking() -> Taking:
    return Taking()


@pytest.fixture
async def vault(tmp_path: Path, events: Endless, taking: Taking) -> AsyncIterator[Live]:
    routes = [
        *mirror(), *Files().routes(),
        ApiRoute("GET", "/api/v1/events", lambda _: events),
        ApiRoute("POST", "/api/v1/taking", lambda _: taking, streams=True),
        ApiRoute("GET", "/api/v1/ranged", ranged),
        ApiRoute("GET", "/api/v1/packed", packed),
    ]  # fmt: skip
    async with live(tmp_path, routes) as vault:
        await vault.connect()
        yield vault


def headers(vault: Live, url: str, **more: str) -> Mapping[str, str]:
    return {
        "authorization": f"Bearer {vault.api_key}", "x-apideck-app-id": vault.application_id,
        "x-apideck-consumer-id": vault.consumer, "x-apideck-service-id": "pipedrive", "x-apideck-downstream-url": url,
        **more,
    }  # fmt: skip


def call(vault: Live, method: str, url: str, data: Any = None, **more: str) -> Any:
    """A proxied call, to be entered."""
    return vault.http.request(
        method, f"{vault.url}/proxy", headers=headers(vault, url, **more), data=data, allow_redirects=False
    )


async def pieces(size: int, piece: int = 64 * KIB) -> AsyncIterator[bytes]:
    for at in range(0, size, piece):
        yield bytes(min(piece, size - at))


@pytest.mark.parametrize("size", [0, 1, 256 * KIB, 256 * KIB + 1, 3 * KIB * KIB])
@pytest.mark.parametrize("chunked", [False, True])
async def test_an_upload_arrives_whole(vault: Live, size: int, chunked: bool) -> None:
    """Whether it was held or streamed, with its length or in chunks."""
    body = pieces(size) if chunked else io.BytesIO(bytes(size))

    async with call(vault, "POST", "/files", body) as answer:
        told = await answer.json()

    assert (answer.status, told["size"]) == (201, size)


@pytest.mark.parametrize("size", [0, 1, 100 * KIB, 3 * KIB * KIB])
async def test_a_download_arrives_whole(vault: Live, size: int) -> None:
    """With its length."""
    async with call(vault, "GET", f"/files/{size}") as answer:
        body = await answer.read()

    assert (answer.status, len(body), answer.headers["content-length"]) == (200, size, str(size))


async def test_both_ways_at_once(vault: Live) -> None:
    """A service that answers while it takes is answered for while it is sent to."""
    async with call(vault, "POST", "/files/echo", pieces(2 * KIB * KIB)) as answer:
        assert len(await answer.read()) == 2 * KIB * KIB


async def test_events_come_as_they_happen(vault: Live, events: Endless) -> None:
    """Server-sent events (text/event-stream): each is there before the next is made; who leaves ends them."""
    async with call(vault, "GET", "/events", accept="text/event-stream") as answer:
        first = await answer.content.readuntil(b"\n\n")
        second = await answer.content.readuntil(b"\n\n")
        assert answer.content_type == "text/event-stream"

    assert (first, second) == (b"id: 1\ndata: {}\n\n", b"id: 2\ndata: {}\n\n")
    await asyncio.wait_for(events.left.wait(), 5)


async def test_a_caller_who_leaves_before_the_answer_ends_the_call(vault: Live, events: Endless) -> None:
    """The service is hung up on, and is not worked for nobody."""
    events.silent.set()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5), call(vault, "GET", "/events"):
            pass

    await asyncio.wait_for(events.left.wait(), 5)


async def test_a_caller_who_leaves_during_an_upload_ends_it(vault: Live, taking: Taking) -> None:
    """The service gets no end that looks like one."""

    async def breaking() -> AsyncIterator[bytes]:
        async for piece in pieces(4 * KIB * KIB):
            yield piece
        raise ConnectionError("gone")

    with pytest.raises((aiohttp.ClientError, ConnectionError)):
        async with call(vault, "POST", "/taking", breaking(), **{"content-length": str(8 * KIB * KIB)}) as answer:
            await answer.read()

    await asyncio.wait_for(taking.left.wait(), 5)
    assert taking.taken <= 4 * KIB * KIB


async def test_a_part_is_a_part(vault: Live) -> None:
    """A range goes on, and its 206 comes back."""
    async with call(vault, "GET", "/ranged", range="bytes=1-6") as answer:
        body = await answer.read()

    assert (answer.status, body, answer.headers["content-range"]) == (206, b'"data"', f"bytes 1-6/{len(LEADS)}")


async def test_a_packed_body_stays_packed(vault: Live) -> None:
    """Its length and coding are the service's; who asked for it unpacks it."""
    async with call(vault, "GET", "/packed", **{"accept-encoding": "gzip"}) as answer:
        assert answer.headers["content-length"] == str(len(gzip.compress(LEADS)))
        assert await answer.read() == LEADS


async def test_a_service_that_is_silent_is_given_up(vault: Live, events: Endless) -> None:
    """After the time that the caller gave; it is a 504."""
    events.silent.set()

    async with call(vault, "GET", "/events", **{"x-apideck-timeout": "200"}) as answer:
        told = await answer.json()

    assert (answer.status, told["type_name"]) == (504, "ConnectorExecutionError")
    await asyncio.wait_for(events.left.wait(), 5)


async def test_a_service_that_falls_silent_is_given_up(
    vault: Live, events: Endless, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of its answer, which is cut off then."""
    monkeypatch.setattr("holdfast.usecases.proxy.call.SILENCE", 0.2)
    events.pause = 60

    with pytest.raises(aiohttp.ClientError):
        async with call(vault, "GET", "/events", **{"x-apideck-timeout": "100"}) as answer:
            await answer.read()

    await asyncio.wait_for(events.left.wait(), 5)


async def test_a_body_that_is_too_large_is_refused(vault: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its length at once; without one as soon as it is; the service gets no whole one."""
    monkeypatch.setattr(proxy, "LARGEST", 1 << 20)

    async with call(vault, "POST", "/files", io.BytesIO(bytes((1 << 20) + 1))) as declared:
        assert declared.status == 413
    async with call(vault, "POST", "/files", pieces((1 << 20) + 1)) as streamed:
        assert streamed.status == 413


async def test_an_answer_that_is_too_large_is_cut(vault: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """It breaks off, so that nobody takes it for a whole one."""
    monkeypatch.setattr(proxy, "LARGEST", 1 << 20)

    with pytest.raises(aiohttp.ClientError):
        async with call(vault, "GET", f"/files/{3 << 20}") as answer:
            await answer.read()


async def test_the_next_call_takes_the_same_connection(vault: Live) -> None:
    """An answer that was read to its end leaves nothing behind, whatever its size."""
    for size in (0, 10, 300 * KIB):
        for _ in range(3):
            async with call(vault, "GET", f"/files/{size}") as answer:
                assert len(await answer.read()) == size


async def test_the_python_client_streams_both_ways(vault: Live) -> None:
    """Neither body is held, and the token is on it."""

    def exchange() -> tuple[int, int]:
        configuration = openapi_client.Configuration(host=vault.url, api_key={"apiKey": vault.api_key})
        with openapi_client.ApiClient(configuration) as client:
            body = (bytes(64 * KIB) for _ in range(32))
            named = (vault.consumer, vault.application_id, "pipedrive", "/files/echo")
            with openapi_client.ProxyApi(client).proxy(*named, "POST", body=body) as answer:
                return answer.status_code, sum(map(len, answer.stream()))

    assert await asyncio.to_thread(exchange) == (200, 2 * KIB * KIB)

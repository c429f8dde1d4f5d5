"""What leaves and what comes back when nothing is wrong."""

from __future__ import annotations

import asyncio
import zlib
from importlib.metadata import version
from typing import Any

import pytest
import structlog

from holdfast.domain.exchange import Request
from holdfast.errors import RequestValidationError


def url(server: Any, path: str = "/v1/users") -> str:
    return f"http://127.0.0.1:{server.port}{path}"


async def test_a_request_leaves_as_it_is(listen: Any, open_door: Any) -> None:
    """Method, path, query, headers and body are those of the request; only the connection's own headers are added."""
    server = await listen()
    body = b"grant_type=refresh_token&refresh_token=13:AQoBAHj"

    await open_door().send(
        Request("POST", url(server, "/oauth/token?a=%2F"), {"Authorization": "Basic YTpi", "X-Trace": "7"}, body)
    )

    head, _, sent = server.received[0].partition(b"\r\n\r\n")
    line, *headers = head.decode().split("\r\n")
    assert (line, sent) == ("POST /oauth/token?a=%2F HTTP/1.1", body)
    assert {h.partition(":")[0].lower() for h in headers} == {
        "host", "user-agent", "accept", "accept-encoding", "content-length", "authorization", "x-trace",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "sent"), [({}, f"Holdfast/{version('holdfast')}"), ({"user-agent": "acme-crm/2"}, "acme-crm/2")]
)
async def test_the_user_agent_is_ours_unless_the_request_has_one(
    given: dict[str, str], sent: str, listen: Any, open_door: Any
) -> None:
    """Some services ask for an application's own User-Agent; the others learn the version."""
    server = await listen()

    await open_door().send(Request("GET", url(server), given))

    agents = [line for line in server.received[0].decode().split("\r\n") if line.lower().startswith("user-agent:")]
    assert [agent.partition(": ")[2] for agent in agents] == [sent]


async def test_a_request_cannot_describe_the_connection(listen: Any, open_door: Any) -> None:
    """Host, framing and hop-by-hop headers of the request are dropped: no other site, no second request inside."""
    server = await listen()
    smuggled = {
        "Host": "evil.example", "Content-Length": "3", "Transfer-Encoding": "chunked", "Connection": "X-Trace",
        "Upgrade": "h2c", "Expect": "100-continue", "TE": "trailers", "Proxy-Authorization": "Basic YTpi",
    }  # fmt: skip

    await open_door().send(Request("POST", url(server), smuggled, b"{}GET /admin HTTP/1.1"))

    raw = server.received[0].lower()
    assert f"host: 127.0.0.1:{server.port}\r\n".encode() in raw
    assert raw.endswith(b"{}get /admin http/1.1")
    assert not any(w in raw for w in (b"evil", b"chunked", b"x-trace", b"h2c", b"100-continue", b"te:", b"proxy-"))


@pytest.mark.parametrize(
    "header",
    [
        {"X-Deal": "a\r\nX-Admin: 1"},
        {"X-Deal": "a\nX-Admin: 1"},
        {"X-Deal": "a\x00b"},
        {"X-Deal\r\nX-Admin": "1"},
        {"Host ": "evil.example"},
        {"Host:": "evil.example"},
        {" Host": "evil.example"},
        {"": "evil.example"},
    ],
)
async def test_a_header_cannot_hold_another_one(header: dict[str, str], listen: Any, open_door: Any) -> None:
    """A line break in a header, or a name that could pass for another one, is refused before anything is written."""
    server = await listen()

    with pytest.raises(RequestValidationError):
        await open_door().send(Request("GET", url(server), header))
    assert server.received == []


async def test_a_method_cannot_hold_a_request(listen: Any, open_door: Any) -> None:
    """The method is one word of HTTP."""
    server = await listen()

    with pytest.raises(RequestValidationError):
        await open_door().send(Request("GET /admin HTTP/1.1\r\nX-A:", url(server)))
    assert server.received == []


async def test_an_answer_arrives_whole(listen: Any, open_door: Any) -> None:
    """Header names are lower case, repeated headers are joined, bytes outside UTF-8 do no harm."""
    server = await listen(
        b"HTTP/1.1 207 Multi-Status\r\nX-RateLimit-Remaining: 9\r\nLink: <a>\r\nlink: <b>\r\nX-City: K\xf6ln\r\n"
        b'Transfer-Encoding: chunked\r\n\r\n3\r\n{"a\r\n5\r\n": 1}\r\n0\r\n\r\n'
    )

    response = await open_door().send(Request("GET", url(server)))

    assert (response.status, response.document()) == (207, {"a": 1})
    assert response.headers["x-ratelimit-remaining"] == "9"
    assert response.headers["link"] == "<a>, <b>"
    assert response.headers["x-city"].encode() == b"K?ln"


@pytest.mark.parametrize(("coding", "wbits"), [("gzip", 31), ("deflate", 15), ("deflate", -15)])
async def test_a_packed_answer_is_unpacked(coding: str, wbits: int, listen: Any, open_door: Any) -> None:
    """The body has no content coding any more, and no header says that it has."""
    packer = zlib.compressobj(wbits=wbits)
    packed = packer.compress(b'{"access_token": "v1u:AQIBAHj"}') + packer.flush()
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {len(packed)}\r\n\r\n"
    server = await listen(head.encode() + packed)

    response = await open_door().send(Request("GET", url(server)))

    assert response.document() == {"access_token": "v1u:AQIBAHj"}
    assert not {"content-encoding", "content-length"} & response.headers.keys()


async def test_a_coding_that_nobody_asked_for_stays_named(listen: Any, open_door: Any) -> None:
    """A body that was not unpacked keeps the header that says how it is packed."""
    server = await listen(b"HTTP/1.1 200 OK\r\nContent-Encoding: aws-chunked\r\nContent-Length: 2\r\n\r\n{}")

    assert (await open_door().send(Request("GET", url(server)))).headers["content-encoding"] == "aws-chunked"


async def test_no_cookie_is_kept(listen: Any, open_door: Any) -> None:
    """A cookie set for one customer's call does not travel with the next one's."""
    server = await listen(b"HTTP/1.1 200 OK\r\nSet-Cookie: sid=first-customer; Path=/\r\nContent-Length: 0\r\n\r\n")
    door = open_door(allow="localhost", names={"localhost": ["127.0.0.1"]})

    for _ in range(2):
        await door.send(Request("GET", f"http://localhost:{server.port}/"))

    assert b"cookie" not in server.received[1].lower()


async def test_calls_share_a_connection(listen: Any, open_door: Any) -> None:
    """A provider that is called again within seconds is called on the connection that stands."""
    server = await listen()
    door = open_door()

    for _ in range(3):
        await door.send(Request("GET", url(server)))

    assert (server.connections, len(server.received)) == (1, 3)


async def test_many_calls_run_at_once(listen: Any, open_door: Any) -> None:
    """Two dozen calls to one provider are all under way before the first is answered."""
    together = asyncio.Barrier(24)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await together.wait()
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    server = await listen(answer)
    door = open_door()

    responses = await asyncio.gather(*(door.send(Request("GET", url(server))) for _ in range(24)))

    assert [r.status for r in responses] == [204] * 24


async def test_the_log_has_the_origin_and_nothing_else_of_the_url(listen: Any, open_door: Any) -> None:
    """An exchange is logged with method, origin, status and time; path, query and headers stay out."""
    server = await listen()

    with structlog.testing.capture_logs() as logs:
        await open_door().send(Request("GET", url(server, "/canary?key=canary"), {"Authorization": "canary"}))

    assert [(e["method"], e["origin"], e["status"]) for e in logs] == [("GET", f"http://127.0.0.1:{server.port}", 200)]
    assert "canary" not in str(logs)

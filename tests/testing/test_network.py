"""holdfast.testing.network: host names answered by apps in this process."""

from __future__ import annotations

import gzip

import pytest
from starlette.requests import Request as StarletteRequest
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from holdfast.domain.door import Limits
from holdfast.domain.exchange import Request
from holdfast.errors import EgressRefused, NoAnswer
from holdfast.testing.network import FakeNetwork, Fault


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    request = StarletteRequest(scope, receive)
    told = {"url": str(request.url), "method": request.method, "body": (await request.body()).decode()}
    await JSONResponse({**told, "headers": dict(request.headers)})(scope, receive, send)


def answering(response: Response) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await response(scope, receive, send)

    return app


async def test_a_request_reaches_the_app_of_its_host_unchanged() -> None:
    """Method, URL, headers and body arrive as they were sent; the answer comes back with lower-case names."""
    network = FakeNetwork({"oauth.pipedrive.com": echo})
    sent = Request("POST", "https://oauth.pipedrive.com/oauth/token?a=b%20c", {"Accept": "text/plain"}, b"code=x%2By")

    response = await network.send(sent)

    told = response.document()
    assert (told["method"], told["url"], told["body"]) == ("POST", sent.url, "code=x%2By")
    assert told["headers"]["accept"] == "text/plain"
    assert told["headers"]["host"] == "oauth.pipedrive.com"
    assert response.headers["content-type"] == "application/json"
    assert network.requests == [sent]


@pytest.mark.parametrize(
    ("url", "reached"),
    [
        ("https://api.example.com/", "named"),
        ("https://acme.api.example.com/", "wildcard"),
        ("http://127.0.0.1:9000/", "with port"),
    ],
)
async def test_a_host_is_found_by_name_by_port_or_by_wildcard(url: str, reached: str) -> None:
    """Keys are `host`, `host:port` or `*.host`; the more exact one wins."""
    apps = {"*.example.com": "wildcard", "api.example.com": "named", "127.0.0.1:9000": "with port"}
    network = FakeNetwork({host: answering(Response(text)) for host, text in apps.items()})

    response = await network.send(Request("GET", url))

    assert response.body.decode() == reached


async def test_an_unknown_host_cannot_be_reached() -> None:
    """A name that leads nowhere is a fault of the network, and nothing was sent."""
    with pytest.raises(NoAnswer) as raised:
        await FakeNetwork({"api.example.com": echo}).send(Request("GET", "https://api.example.org/"))

    assert raised.value.may_have_acted is False


@pytest.mark.parametrize(
    "url", ["https://evil.example/", "https://api.example.com.evil.example/", "https://api.example.com:8443/"]
)
async def test_a_request_goes_only_to_the_hosts_it_is_pinned_to(url: str) -> None:
    """A pinned request to another host or port is refused before it leaves."""
    network = FakeNetwork({"*.example": echo, "api.example.com": echo})

    with pytest.raises(EgressRefused):
        await network.send(Request("GET", url, hosts=("api.example.com", "*.api.example.com")))

    assert network.requests == []


async def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    """The real door follows none, so that credentials go nowhere by themselves."""
    network = FakeNetwork({"api.example.com": answering(RedirectResponse("https://evil.example/"))})

    response = await network.send(Request("GET", "https://api.example.com/"))

    assert (response.status, response.headers["location"]) == (307, "https://evil.example/")


@pytest.mark.parametrize(("fault", "acted", "told"), [("refused", 0, False), ("timeout", 0, True), ("lost", 1, True)])
async def test_a_fault_hits_the_next_request_only(fault: Fault, acted: int, told: bool) -> None:
    """Whether the provider acted and whether the caller can know are told apart; then the network works again."""
    calls: list[str] = []

    async def counting(scope: Scope, receive: Receive, send: Send) -> None:
        calls.append(scope["path"])
        await Response("ok")(scope, receive, send)

    network = FakeNetwork({"api.example.com": counting})
    network.fail_next(fault)

    with pytest.raises(NoAnswer) as raised:
        await network.send(Request("GET", "https://api.example.com/first"))
    assert (len(calls), raised.value.may_have_acted) == (acted, told)

    assert (await network.send(Request("GET", "https://api.example.com/second"))).body == b"ok"


async def test_a_coded_body_is_unpacked() -> None:
    """The caller sees the content, whatever coding it travelled in."""
    packed = Response(gzip.compress(b'{"ok": true}'), headers={"Content-Encoding": "gzip"})

    response = await FakeNetwork({"api.example.com": answering(packed)}).send(
        Request("GET", "https://api.example.com/")
    )

    assert response.document() == {"ok": True}


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b"x" * 2001, {}),
        (gzip.compress(b"x" * 1_000_000), {"Content-Encoding": "gzip"}),
        (b"not gzip", {"Content-Encoding": "gzip"}),
        (gzip.compress(b"x" * 1000)[:-8], {"Content-Encoding": "gzip"}),
    ],
    ids=["too long", "too long once unpacked", "not gzip at all", "gzip cut short"],
)
async def test_a_body_that_is_too_long_or_broken_is_no_answer(content: bytes, headers: dict[str, str]) -> None:
    """The limit counts what comes out of the coding; what cannot be unpacked whole is refused too."""
    network = FakeNetwork({"api.example.com": answering(Response(content, headers=headers))})

    with pytest.raises(NoAnswer) as raised:
        await network.send(Request("GET", "https://api.example.com/"), limits=Limits(body=2000))

    assert raised.value.may_have_acted is True


@pytest.mark.parametrize(
    "sent",
    [
        [],
        [{"type": "http.response.start", "status": 200, "headers": []}],
        [
            {"type": "http.response.start", "status": 200, "headers": []},
            {"type": "http.response.body", "body": b'{"access_', "more_body": True},
        ],
    ],
    ids=["nothing at all", "the head only", "half a body"],
)
async def test_an_answer_that_is_broken_off_is_a_lost_connection(sent: list[Message]) -> None:
    """An app that ends too early makes a server hang up, so the caller cannot know what happened."""

    async def breaks_off(scope: Scope, receive: Receive, send: Send) -> None:
        for message in sent:
            await send(message)

    with pytest.raises(NoAnswer) as raised:
        await FakeNetwork({"api.example.com": breaks_off}).send(Request("GET", "https://api.example.com/"))

    assert raised.value.may_have_acted is True


async def test_a_stream_arrives_piece_by_piece_and_keeps_its_coding() -> None:
    """The head first, then each piece as the app sent it, packed as it was, repeated headers apart."""
    packed = gzip.compress(b"{}")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-encoding", b"gzip"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
        await send({"type": "http.response.start", "status": 206, "headers": headers})
        await send({"type": "http.response.body", "body": packed[:5], "more_body": True})
        await send({"type": "http.response.body", "body": packed[5:]})

    async with FakeNetwork({"api.example.com": app}).open(Request("GET", "https://api.example.com/")) as answer:
        assert (answer.status, [value for name, value in answer.headers if name == b"set-cookie"]) == (
            206,
            [b"a=1", b"b=2"],
        )
        assert [piece async for piece in answer.stream()] == [packed[:5], packed[5:]]


@pytest.mark.parametrize(("fault", "acted", "told"), [("refused", 0, False), ("timeout", 0, True), ("lost", 1, True)])
async def test_a_fault_hits_a_stream_as_it_does_a_whole_answer(fault: Fault, acted: int, told: bool) -> None:
    """Both verbs know the same faults, and say the same of what the provider may have done."""
    calls: list[str] = []

    async def counting(scope: Scope, receive: Receive, send: Send) -> None:
        calls.append(scope["path"])
        await Response("ok")(scope, receive, send)

    network = FakeNetwork({"api.example.com": counting})
    network.fail_next(fault)

    with pytest.raises(NoAnswer) as raised:
        async with network.open(Request("GET", "https://api.example.com/")):
            pass

    assert (len(calls), raised.value.may_have_acted) == (acted, told)


async def test_a_stream_that_breaks_off_or_is_too_long_says_so() -> None:
    """What came is delivered; then the fault, with the status that was there."""

    async def breaks_off(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 202, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})

    network = FakeNetwork({"api.example.com": breaks_off})

    for limits, retryable in ((Limits(), True), (Limits(body=3), False)):
        async with network.open(Request("GET", "https://api.example.com/"), limits=limits) as answer:
            with pytest.raises(NoAnswer) as raised:
                _ = [piece async for piece in answer.stream()]
        assert (raised.value.may_have_acted, raised.value.retryable, raised.value.status) == (True, retryable, 202)


async def test_a_pinned_stream_goes_nowhere_else() -> None:
    """The pins hold for both verbs."""
    network = FakeNetwork({"evil.example": echo})

    with pytest.raises(EgressRefused):
        async with network.open(Request("GET", "https://evil.example/", hosts=("api.example.com",))):
            pass
    assert network.requests == []


async def test_what_the_app_raises_is_heard() -> None:
    """A mistake in a test's own app is not taken for a fault of the network."""

    async def mistaken(scope: Scope, receive: Receive, send: Send) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        async with FakeNetwork({"api.example.com": mistaken}).open(Request("GET", "https://api.example.com/")):
            pass

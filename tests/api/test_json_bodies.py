"""Bodies: refused before they cost anything, and before anything reads them differently from us (RFC 8259)."""

from __future__ import annotations

import gzip
import json
from time import process_time
from typing import Any

import pytest
from hostile_json import COSTLY, MALFORMED, MEBIBYTE
from starlette.types import Message, Receive, Scope, Send
from traces import rows, traces

from holdfast.testing.asgi import Answer, call
from holdfast.testing.harness import PUBLIC_URL, SERVICE, Deployment

PATH = f"/vault/connections/crm/{SERVICE}"
CPU_LIMIT = 0.1
JSON = {"content-type": "application/json"}


async def stream(vault: Deployment, chunks: list[bytes], headers: dict[str, str]) -> Answer:
    """A PATCH whose body comes in pieces, under exactly these framing headers."""
    pieces = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    pieces.append({"type": "http.request", "body": b"", "more_body": False})

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def receive_piece() -> Message:
            return pieces.pop(0)

        await vault.app(scope, receive_piece, send)

    sent = {"authorization": f"Bearer {vault.api_key}", "x-apideck-app-id": vault.application_id}
    sent |= {"x-apideck-consumer-id": vault.consumer, **JSON, **headers}
    return await call(app, "PATCH", PUBLIC_URL + PATH, sent.items())


async def test_a_malformed_body_is_refused(vault: Deployment) -> None:
    """400 with the reason and without what was sent; nothing is stored, and none takes a tenth of a second."""
    before = await traces(vault)
    outcomes = {}
    for name, body in MALFORMED.items():
        started = process_time()
        reply = await vault.patch(PATH, body=body)
        outcomes[name] = (reply.status, process_time() - started < CPU_LIMIT, len(reply.text) < 500)

    assert {name: seen for name, seen in outcomes.items() if seen != (400, True, True)} == {}
    assert await traces(vault) == before


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"{bad", "not valid JSON"),
        (b'{"settings": {"a": 1}', "not valid JSON"),
        (b"]", "not valid JSON"),
        (b"][", "not valid JSON"),
        (b"[" * 33 + b"]" * 33, "nested deeper than 32 levels"),
        (b"[" * 200_000, "nested deeper than 32 levels"),
        (b'{"a":' * 33 + b"1" + b"}" * 33, "nested deeper than 32 levels"),
        (b"[" + b"[]," * 20_000 + b"[]]", "more than 10000 members"),
    ],
)
async def test_what_is_wrong_with_a_body_is_told_as_it_is(vault: Deployment, body: bytes, told: str) -> None:
    """A person looks for a missing bracket elsewhere than for a deep one."""
    reply = await vault.patch(PATH, body=body)

    assert (reply.status, told in reply.body["detail"]) == (400, True), reply.text


async def test_a_body_that_is_made_to_be_slow_is_not(vault: Deployment) -> None:
    """As large as a body may be: still 400, in less than a tenth of a second."""
    before = await traces(vault)
    outcomes = {}
    for name, make in COSTLY.items():
        body = make()
        started = process_time()
        reply = await vault.patch(PATH, body=body)
        outcomes[name] = (reply.status, round(process_time() - started, 3))

    assert {name: seen for name, seen in outcomes.items() if seen[0] != 400 or seen[1] > CPU_LIMIT} == {}
    assert await traces(vault) == before


async def test_a_body_of_more_than_a_mebibyte_is_too_large(vault: Deployment) -> None:
    """Whether its length is declared, left out, or declared wrongly; and however many members it would have."""
    large = b'{"metadata": {' + b",".join(b'"%x":0' % n for n in range(1_000_000)) + b"}}"
    chunks = [b" " * 65_536] * 16 + [b" "]

    declared = await vault.patch(PATH, body=large)
    undeclared = await stream(vault, chunks, {})
    lying = await stream(vault, chunks, {"content-length": "10"})

    assert [declared.status, undeclared.status, lying.status] == [413, 413, 413]
    assert json.loads(undeclared.body)["type_name"] == "RequestValidationError"


async def test_a_declared_length_is_believed_before_the_body_is_read(vault: Deployment) -> None:
    """No byte of it is waited for."""
    answer = await stream(vault, [], {"content-length": str(MEBIBYTE + 1)})

    assert answer.status == 413


async def test_a_body_of_exactly_a_mebibyte_is_read(vault: Deployment) -> None:
    """The limit is the last size that fits."""
    body = b'{"enabled": true' + b" " * (MEBIBYTE - 17) + b"}"

    assert len(body) == MEBIBYTE
    assert (await vault.patch(PATH, body=body)).status == 200


async def test_nobody_s_body_is_read(vault: Deployment) -> None:
    """Without a key the answer comes before the body does."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def refuse() -> Message:
            raise AssertionError("the body was read")

        await vault.app(scope, refuse, send)

    answer = await call(app, "PATCH", PUBLIC_URL + PATH, [("content-length", "1000000000"), *JSON.items()])

    assert answer.status == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "multipart/form-data; boundary=x"},
        {"content-type": "application/xml"},
        {"content-type": "application/jsonp"},
        {"content-type": "application/json; charset=utf-7"},
        {"content-type": "application/json; charset=utf-16"},
        {"content-type": 'application/json; charset="iso-8859-1"'},
        {"content-type": "text/plain, application/json"},
        {**JSON, "content-encoding": "gzip"},
        {**JSON, "content-encoding": "br"},
        {**JSON, "content-encoding": "zstd, gzip"},
    ],
    ids=lambda headers: " ".join(headers.values()),
)
async def test_only_plain_json_is_read(vault: Deployment, headers: dict[str, str]) -> None:
    """Another parser than the one that was checked must not be chosen by a header."""
    coded = "content-encoding" in headers
    body = json.dumps({"enabled": True}).encode()

    reply = await vault.patch(PATH, body=gzip.compress(body) if coded else body, headers=headers)

    assert (reply.status, reply.body["status_code"]) == (415, 415)
    assert (await rows(vault))["connections"] == 0


@pytest.mark.parametrize("media", ["application/json; charset=utf-8", "Application/JSON;charset=UTF-8", None])
async def test_json_goes_by_several_names(vault: Deployment, media: str | None) -> None:
    """Some clients name the charset, some nothing."""
    reply = await vault.patch(PATH, body=b'{"enabled": true}', headers={"content-type": media})

    assert reply.status == 200


@pytest.mark.parametrize(
    "value",
    [
        {"__proto__": {"admin": True}, "constructor": {"prototype": 1}, "toString": "x"},
        {"text": "Grüße, 你好, 👩‍🚀, \u202e", "empty": "", "quote": "\"'<script>{{7*7}}${7*7}%00", "nul": "\\u0000"},
        {"largest": 2**63 - 1, "smallest": -(2**63), "beyond a double": 2**53 + 1, "tiny": 5e-324, "huge": 1.5e308},
        {"deep": [[[[[[[[[[[[[[[[[[[[[[[[[[["x"]]]]]]]]]]]]]]]]]]]]]]]]]]]},
        {"'; DROP TABLE connections; --": "x' OR '1'='1"},
    ],
    ids=["names of JavaScript", "texts", "numbers", "30 levels", "SQL"],
)
async def test_what_json_can_hold_comes_back_as_it_was(vault: Deployment, value: Any) -> None:
    """Odd is not malformed."""
    await vault.patch(PATH, json={"metadata": value})

    assert (await vault.connection())["metadata"] == value


async def test_metadata_has_a_limit(vault: Deployment) -> None:
    """64 KiB, as JSON; what was there before stays."""
    await vault.patch(PATH, json={"metadata": {"kept": "x"}})

    reply = await vault.patch(PATH, json={"metadata": {"a": "x" * 40_000, "b": "x" * 30_000}})

    assert reply.status == 400
    assert (await vault.connection())["metadata"] == {"kept": "x"}

"""Bad answers of a token endpoint, by name, for a test that runs over all of them.

>>> @pytest.mark.parametrize("name", BAD_TOKEN_ANSWERS)
... async def test_a_bad_answer_never_becomes_a_credential(name, provider):
...     with provider.behave("token", say(BAD_TOKEN_ANSWERS[name].raw())):
...         ...

`token` is True where the access token itself is sound and only something beside it is wrong: a client may then
take the token, but must not believe the rest.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from holdfast.testing.provider.behaviour import RawAnswer

JSON = {"Content-Type": "application/json"}
HTML = {"Content-Type": "text/html; charset=utf-8"}
ELSEWHERE = "https://collector.evil.example/oauth/token"
MEGABYTE = 1_048_576


@dataclass(frozen=True, slots=True, repr=False)
class BadAnswer:
    """`raw()` makes the answer, so that the large ones cost nothing until they are used."""

    raw: Callable[[], RawAnswer]
    token: bool = False


def _text(body: str, headers: dict[str, str] = JSON, status: int = 200, *, token: bool = False) -> BadAnswer:
    return BadAnswer(lambda: RawAnswer(status, headers, body.encode("utf-8", "surrogatepass")), token)


def _good_but(*, status: int = 200, token: bool = False, **members: Any) -> BadAnswer:
    good = {"access_token": "sbx_at_bad", "refresh_token": "sbx_rt_bad", "token_type": "Bearer", "expires_in": 3600}
    return _text(json.dumps({**good, **members}), status=status, token=token)


def _lifetime(literal: str) -> BadAnswer:
    return _text(f'{{"access_token": "sbx_at_bad", "token_type": "Bearer", "expires_in": {literal}}}', token=True)


def _bytes(body: bytes, **headers: str) -> BadAnswer:
    return BadAnswer(lambda: RawAnswer(200, {**JSON, **headers}, body))


def _huge() -> RawAnswer:
    return RawAnswer(200, JSON, b'{"access_token": "' + b"a" * (10 * MEGABYTE) + b'"}')


def _gzip_bomb() -> RawAnswer:
    """100 MB in 100 kB, packed piece by piece so that making it costs no memory either."""
    packer = zlib.compressobj(wbits=31)
    packed = packer.compress(b'{"access_token": "')
    packed += b"".join(packer.compress(b"a" * MEGABYTE) for _ in range(100))
    return RawAnswer(200, {**JSON, "Content-Encoding": "gzip"}, packed + packer.flush())


_LOGIN_PAGE = "<!doctype html><title>Sign in</title><form method=post><input name=user></form>"

BAD_TOKEN_ANSWERS: dict[str, BadAnswer] = {
    # A failure that looks like a success, and the other way round.
    "error with status 200": _text('{"error": "invalid_grant", "error_description": "Token is not active"}'),
    "error object with status 200": _text('{"error": {"code": "invalid_grant", "message": "Token is not active"}}'),
    "error beside a token": _good_but(error="invalid_grant"),
    "token with status 500": _good_but(status=500),
    "token with status 400": _good_but(status=400),
    "status 401 with a challenge": _text("", {"WWW-Authenticate": 'Basic realm="oauth"'}, 401),
    "status 503 with an odd Retry-After": _text("", {"Retry-After": "-1e9"}, 503),
    "redirect to another host": _text("", {"Location": ELSEWHERE}, 307),
    "permanent redirect to another host": _text("", {"Location": ELSEWHERE}, 308),
    # Not an answer at all.
    "empty body": _text(""),
    "status 204": _text("", {}, 204),
    "a login page": _text(_LOGIN_PAGE, HTML),
    "a gateway's error page": _text("<html><h1>502 Bad Gateway</h1></html>", HTML, 502),
    "truncated JSON": _text('{"access_token": "sbx_at_bad", "token_ty'),
    "JSON null": _text("null"),
    "JSON string": _text('"sbx_at_bad"'),
    "JSON in a JavaScript guard": _text(')]}\',\n{"access_token": "sbx_at_bad"}'),
    "nested 100,000 deep": _text("[" * 100_000),
    "not UTF-8": _bytes(b'{"access_token": "\xff\xfe"}'),
    "ten megabytes": BadAnswer(_huge),
    "gzip bomb": BadAnswer(_gzip_bomb),
    "gzip that is none": _bytes(b'{"access_token": "sbx_at_bad"}', **{"Content-Encoding": "gzip"}),
    "gzip cut short": _bytes(gzip.compress(b'{"access_token": "sbx_at_bad"}')[:-12], **{"Content-Encoding": "gzip"}),
    # No access token that could be used.
    "no access_token": _text('{"token_type": "Bearer", "expires_in": 3600, "refresh_token": "sbx_rt_bad"}'),
    "access_token null": _good_but(access_token=None),
    "access_token empty": _good_but(access_token=""),
    "access_token an object": _good_but(access_token={"value": "sbx_at_bad"}),
    "access_token a list": _good_but(access_token=["sbx_at_bad"]),
    "access_token with a line break": _good_but(access_token="sbx_at_bad\r\nX-Injected: 1"),
    "access_token with NUL": _good_but(access_token="sbx_at\x00bad"),
    "access_token not ASCII": _good_but(access_token="sbx_at_bäd"),
    "access_token a lone surrogate": _text('{"access_token": "sbx_at_\\ud800", "token_type": "Bearer"}'),
    "access_token of 200 kB": _good_but(access_token="a" * 200_000),
    "token_type that needs a proof": _good_but(token_type="DPoP"),
    # A sound access token with something wrong beside it.
    "access_token a number": _good_but(access_token=90210, token=True),
    "a list around it": _text('[{"access_token": "sbx_at_bad"}]', token=True),
    "a form that says JSON": _text("access_token=sbx_at_bad&token_type=bearer", token=True),
    "Latin-1 beside it": BadAnswer(
        lambda: RawAnswer(200, JSON, b'{"access_token": "sbx_at_bad", "n": "Zo\xeb"}'), True
    ),
    "an unknown error beside it": _good_but(error="deprecated", token=True),
    "NaN as a lifetime": _lifetime("NaN"),
    "Infinity as a lifetime": _lifetime("Infinity"),
    "access_token twice": _text('{"access_token": "sbx_at_one", "access_token": "sbx_at_two"}', token=True),
    "token_type missing": _text('{"access_token": "sbx_at_bad", "expires_in": 3600}', token=True),
    "token_type a number": _good_but(token_type=7, token=True),
    "lifetime of -1": _lifetime("-1"),
    "lifetime of 0": _lifetime("0"),
    "lifetime of 1e300": _lifetime("1e300"),
    "lifetime of 400 digits": _lifetime("9" * 400),
    "lifetime as a string": _lifetime('"3600"'),
    "lifetime as a word": _lifetime('"soon"'),
    "lifetime null": _lifetime("null"),
    "lifetime true": _lifetime("true"),
    "lifetime a list": _lifetime("[3600]"),
    "refresh_token an object": _good_but(refresh_token={"value": "sbx_rt_bad"}, token=True),
    "refresh_token with a line break": _good_but(refresh_token="sbx_rt\r\nX-Injected: 1", token=True),
    "scope a list": _good_but(scope=["leads:read", "leads:write"], token=True),
}

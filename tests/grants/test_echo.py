"""What a service repeats of a secret, however it is coded and wherever the pieces of its answer end."""

from __future__ import annotations

import base64
import json
from itertools import pairwise
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.grants.echo import Echo

SECRET = 'sk_live/51H+x="é~_-4f8a'
CODINGS = (
    SECRET, quote(SECRET, safe=""), quote_plus(SECRET), json.dumps(SECRET)[1:-1],
    json.dumps(SECRET)[1:-1].replace("/", "\\/"),
    base64.b64encode(SECRET.encode()).decode(), base64.urlsafe_b64encode(SECRET.encode()).decode().rstrip("="),
)  # fmt: skip


def passed(echo: Echo, pieces: list[bytes]) -> bytes:
    return b"".join([*map(echo.piece, pieces), echo.rest()])


@pytest.mark.parametrize("coded", CODINGS)
def test_every_coding_of_a_secret_is_found(coded: str) -> None:
    """As it is, percent-encoded, escaped in JSON, in base64; each byte becomes a star."""
    echo = Echo([SECRET])

    assert passed(echo, [f"before {coded} after".encode()]) == b"before " + b"*" * len(coded.encode()) + b" after"
    assert echo.found == 1


@given(st.lists(st.integers(0, 60)), st.sampled_from([b"", b"Bearer ", b"sk_live", SECRET[:-1].encode()]))
def test_no_cut_lets_a_secret_through(cuts: list[int], before: bytes) -> None:
    """Wherever a body is cut, and whatever stands before it, even its own beginning."""
    body = before + SECRET.encode() + b"!" + SECRET.encode()[:7]
    places = sorted({0, len(body), *(cut for cut in cuts if cut < len(body))})
    pieces = [body[a:b] for a, b in pairwise(places)]

    told = passed(Echo([SECRET]), pieces)

    assert told == before + b"*" * len(SECRET.encode()) + b"!" + SECRET.encode()[:7]


def test_what_cannot_be_a_beginning_is_not_held_up() -> None:
    """An event passes when it comes, and does not wait for the next."""
    echo = Echo([SECRET])

    assert echo.piece(b"data: {}\n\n") == b"data: {}\n\n"
    assert echo.piece(b"data: sk_li") == b"data: "
    assert echo.piece(b"st\n\n") == b"sk_list\n\n"


def test_of_two_secrets_the_longer_is_looked_for_first() -> None:
    """A header holds its credential; what is left of neither is shown."""
    echo = Echo(["4f8a21c7", "Bearer 4f8a21c7"])

    assert passed(echo, [b"<Bearer 4f8a21c7> 4f8a21c7"]) == b"<***************> ********"


def test_a_short_value_is_no_secret() -> None:
    """It stands in many a text by chance; nothing at all is looked for where there is nothing."""
    assert passed(Echo(["abc"]), [b"abc"]) == b"abc"
    assert passed(Echo([]), [b"abc", b"def"]) == b"abcdef"

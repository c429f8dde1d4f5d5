"""Lifetimes as providers tell them."""

from __future__ import annotations

from typing import Any

import pytest
from driving import NOW
from hypothesis import given
from hypothesis import strategies as st

from holdfast.grants.lifetime import Form, expiry

NOON_2030 = 1_909_310_400_000  # 2030-07-03T12:00:00Z
HOUR = 3_600_000

READ: list[tuple[Any, Form, int | None]] = [
    (60, "seconds", NOW + 60_000),
    ("60", "seconds", NOW + 60_000),
    (" 59.5 ", "seconds", NOW + 59_500),
    ("3600s", "seconds", NOW + HOUR),
    ("1 hour", "seconds", NOW + HOUR),
    ("90 Minutes", "seconds", NOW + HOUR + HOUR // 2),
    ("30 days", "seconds", NOW + 720 * HOUR),
    (NOON_2030 // 1000, "epoch_s", NOON_2030),
    (str(NOON_2030), "epoch_ms", NOON_2030),
    (NOON_2030, "iso", NOON_2030),
    (NOON_2030 // 1000, "iso", NOON_2030),
    (3600, "iso", NOW + HOUR),
    ("2030-07-03T12:00:00Z", "iso", NOON_2030),
    ("2030-07-03T12:00:00Z", "seconds", NOON_2030),
    ("2030-07-03T14:00:00.0000000+02:00", "iso", NOON_2030),
    ("2030-07-03 12:00:00", "iso", NOON_2030),
    ("2030-07-03 12:00:00 UTC", "iso", NOON_2030),
    ("20300703T120000Z", "iso", NOON_2030),
    ("Wed, 03 Jul 2030 12:00:00 GMT", "iso", NOON_2030),
    ("Wednesday, 03-Jul-30 12:00:00 GMT", "iso", NOON_2030),
    ("Wed Jul  3 12:00:00 2030", "iso", NOON_2030),
    ("Wed, 3 Jul 2030 14:00:00 +0200", "iso", NOON_2030),
    ("July 3rd, 2030 12:00 PM", "iso", NOON_2030),
    ("July 3, 2030, 12:00:00 p.m.", "iso", NOON_2030),
    ("3 July 2030 2:00:00 PM", "iso", NOON_2030 + 2 * HOUR),
    ("03 JUL 2030 12:00", "iso", NOON_2030),
    ("3 July 2030", "iso", NOON_2030 - 12 * HOUR),
    (f"/Date({NOON_2030})/", "iso", NOON_2030),
    ("0001-01-01T00:00:00", "iso", None),
    ("2020-01-01T00:00:00Z", "iso", None),
    ("9999-12-31T23:59:59Z", "iso", None),
    ("31 February 2030", "iso", None),
    ("07/03/2030", "iso", None),
    ("never", "seconds", None),
    ("", "seconds", None),
    (-1, "seconds", None),
    (0, "epoch_s", None),
    ("x" * 9999, "iso", None),
    (10**400, "seconds", None),
]


@pytest.mark.parametrize(("value", "form", "expected"), READ)
def test_a_lifetime_is_read_in_any_form(value: Any, form: Form, expected: int | None) -> None:
    """Numbers, texts that hold one, spans, and dates of every make; what tells no time that is to come tells none."""
    assert expiry(value, form, NOW) == expected


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=3)


@given(
    JSON | st.from_regex(r"[0-9A-Za-z:,+/ .()-]{1,40}", fullmatch=True),
    st.sampled_from(["seconds", "epoch_s", "epoch_ms", "iso"]),
)
def test_no_value_raises_or_tells_a_moment_that_is_over(value: Any, form: Form) -> None:
    """Whatever stands there, the token beside it is kept, and is not dead on arrival."""
    found = expiry(value, form, NOW)

    assert found is None or NOW <= found < NOW + 101 * 366 * 86_400_000

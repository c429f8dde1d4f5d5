"""The MAC that every request needs."""

from __future__ import annotations

import hmac

from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain.mac import Mac, Macs


@given(key=st.binary(max_size=100), message=st.binary(max_size=300))
def test_it_is_hmac_sha256(key: bytes, message: bytes) -> None:
    """The digest is that of the standard library, for every key and message, however often it is asked."""
    mac = Mac(key)

    assert [mac.digest(message), mac.digest(message)] == [hmac.digest(key, message, "sha256")] * 2


def test_it_does_not_show_its_key() -> None:
    """A MAC in a traceback is no leak."""
    assert "secret" not in repr(Mac(b"secret"))


def test_the_current_key_makes_and_the_former_ones_are_found() -> None:
    """A turn leaves what was made before recognisable by its key's id, and forgets the keys that are not handed in."""
    macs = Macs(Mac(b"1", "first"))
    made = macs.digest(b"x")

    macs.turn(Mac(b"2", "second"), Mac(b"1", "first"))
    found = macs.find("first")
    turned = [mac.id for mac in macs]
    macs.turn(Mac(b"2", "second"))

    assert found is not None
    assert found.digest(b"x") == made != macs.digest(b"x")
    assert turned == ["second", "first"]
    assert macs.find("first") is None

"""The MAC that every request needs."""

from __future__ import annotations

import hmac

from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain.mac import Mac


@given(key=st.binary(max_size=100), message=st.binary(max_size=300))
def test_it_is_hmac_sha256(key: bytes, message: bytes) -> None:
    """The digest is that of the standard library, for every key and message, however often it is asked."""
    mac = Mac(key)

    assert [mac.digest(message), mac.digest(message)] == [hmac.digest(key, message, "sha256")] * 2


def test_it_does_not_show_its_key() -> None:
    """A MAC in a traceback is no leak."""
    assert "secret" not in repr(Mac(b"secret"))

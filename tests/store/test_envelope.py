"""The sealed form: what opens, and everything that must not."""

from __future__ import annotations

import copy
import os
import pickle
import random
from collections.abc import Callable
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec.structs import replace

from holdfast.errors import IntegrityError
from holdfast.store.seal.envelope import OVERHEAD, Key, Place

PLACE = Place("connections", "credential", "app_live_1", ("8b7d4f", "salesforce"), 7)
TOKEN = b'{"access_token":"00Dx0000000BV7z!AR8AQAxo9UfVkh8AlV0Gomt9Czx9LjHnSSpwBMmbRcgKFmxOtvxjTrKW19ye6PE3Ds1eQz3z8j"}'

# Sealed by the first release under the key 00 01 02 … 1f at PLACE, and to be opened by every later one.
GOLDEN = bytes.fromhex(
    "484601904a3bec3716a2d32121eda95947626de217ecc41d6aba5616df74049cded3bc2be9b43eab257a50ef239aeeae"
    "ca0a6ac5211dcb364084fb32170ff287bda93d935fe87626bc41de0a4ad7d0d8fb32130578bdc68c47f43cab8ec7e1cb"
    "f1552ae23bb028f38e8552661edf498a1176293f26624bac65c8ea4bbae4aaca7b8148dd4d01dd7b4d5773578d2be6ae"
    "2c84506c263043b4a8b6468f3a9f780fe6155d0999ee0cdcef7e1f117886c1ef9fdd8c1d22d0ebd0b4379dbe0f2deb22"
    "286bf090"
)


@pytest.fixture(scope="module")
def key() -> Key:
    return Key(bytes(range(32)))


def handmade(secret: bytes, place: bytes, *, commitment: bytes | None = None, version: int = 1) -> bytes:
    """A blob by the drawing in the module's docstring, from another implementation of HKDF."""
    kid, salt, nonce = sha256(b"kid|" + secret).digest()[:8], os.urandom(16), os.urandom(12)
    derived = HKDF(SHA512(), 64, None, b"hf1|" + kid + salt).derive(secret)
    ciphertext = AESGCM(derived[:32]).encrypt(nonce, TOKEN, b"hf1|" + kid + place)
    return b"HF" + bytes([version]) + kid + salt + (commitment or derived[32:]) + nonce + ciphertext


def test_what_is_sealed_opens(key: Key) -> None:
    """A sealed value comes back; sealing it twice gives unrelated blobs of the same length."""
    first, second = key.seal(PLACE, TOKEN), key.seal(PLACE, TOKEN)

    assert key.open(PLACE, first) == key.open(PLACE, second) == TOKEN
    assert len(first) == len(second) == len(TOKEN) + OVERHEAD
    assert len({first[11:27], second[11:27], first[27:59], second[27:59], first[59:71], second[59:71]}) == 6
    assert key.open(PLACE, key.seal(PLACE, b"")) == b""


def test_the_format_is_the_one_that_is_drawn(key: Key) -> None:
    """A blob put together by hand from the drawing opens, and so does the one of the first release."""
    by_hand = handmade(bytes(range(32)), b'["connections","credential","app_live_1",["8b7d4f","salesforce"],7]')

    assert key.open(PLACE, by_hand) == TOKEN
    assert key.open(PLACE, GOLDEN) == TOKEN


def test_whatever_stands_in_a_place_is_written_in_one_way() -> None:
    """Quotes, slashes, controls and other alphabets: a place that were written otherwise tomorrow would not open."""
    odd = replace(PLACE, ids=('a"b', "a\\b/c", "\n\x7f", "Zoë", "会社"))

    written = r'["connections","credential","app_live_1",["a\"b","a\\b/c","\nDEL","Zoë","会社"],7]'.replace(
        "DEL", "\x7f"
    )
    assert odd.encode() == written.encode()


@pytest.mark.parametrize(
    "elsewhere",
    [
        replace(PLACE, table="confirmations"),
        replace(PLACE, column="settings"),
        replace(PLACE, application_id="app_live_2"),
        replace(PLACE, ids=("8b7d4e", "salesforce")),
        replace(PLACE, ids=("8b7d4f", "hubspot")),
        replace(PLACE, ids=("8b7d4f",)),
        replace(PLACE, ids=("8b7d4f", "salesforce", "")),
        replace(PLACE, ids=("8b7d4", "fsalesforce")),
        replace(PLACE, ids=('8b7d4f","salesforce',)),
        replace(PLACE, ids=("salesforce", "8b7d4f")),
        replace(PLACE, generation=6),
        replace(PLACE, generation=70),
        replace(PLACE, table="connection", column="scredential"),
    ],
)
def test_a_blob_opens_nowhere_else(key: Key, elsewhere: Place) -> None:
    """Table, column, application, row and generation are part of what is sealed, each for itself."""
    blob = key.seal(PLACE, TOKEN)

    with pytest.raises(IntegrityError):
        key.open(elsewhere, blob)


def test_no_altered_blob_opens(key: Key) -> None:
    """Any flipped bit, any truncation and any extension is noticed."""
    blob = key.seal(PLACE, TOKEN)
    seed = random.SystemRandom().randrange(2**32)
    positions = random.Random(seed).sample(range(len(blob) * 8), min(2000, len(blob) * 8))
    flipped = [blob[: n // 8] + bytes([blob[n // 8] ^ 1 << n % 8]) + blob[n // 8 + 1 :] for n in positions]
    shortened = [blob[:length] for length in range(len(blob))] + [blob[n:] for n in range(1, len(blob))]
    extended = [blob + b"\x00", b"\x00" + blob, blob + blob]

    accepted = [altered for altered in flipped + shortened + extended if opens(key, altered)]

    assert accepted == [], f"seed {seed}"


def opens(key: Key, blob: bytes) -> bool:
    try:
        key.open(PLACE, blob)
    except IntegrityError:
        return False
    return True


def test_another_key_does_not_open(key: Key) -> None:
    """A blob names its key, and renaming it does not help."""
    other = Key(os.urandom(32))
    blob = other.seal(PLACE, TOKEN)

    assert not opens(key, blob)
    assert not opens(key, blob[:3] + key.id + blob[11:])


def test_a_blob_without_its_commitment_does_not_open(key: Key) -> None:
    """A ciphertext that GCM accepts is refused when the blob is not committed to this very key."""
    place = PLACE.encode()

    assert opens(key, handmade(bytes(range(32)), place))
    assert not opens(key, handmade(bytes(range(32)), place, commitment=os.urandom(32)))


@pytest.mark.parametrize("version", [0, 2, 255])
def test_another_format_does_not_open(key: Key, version: int) -> None:
    """There is one format, and neither an older nor a newer one is guessed at."""
    assert not opens(key, handmade(bytes(range(32)), PLACE.encode(), version=version))


@pytest.mark.parametrize("plain", [b"", b"HF", TOKEN, b"HF\x01" + TOKEN])
def test_plaintext_is_not_taken_for_a_blob(key: Key, plain: bytes) -> None:
    """A value that was never sealed is refused and not passed through."""
    assert not opens(key, plain)


def test_subkeys_are_hkdf_of_the_key_and_their_purpose(key: Key) -> None:
    """A purpose has one subkey, another one for each purpose and key, as HKDF without salt derives it."""
    link = HKDF(SHA512(), 32, None, b"hf1|subkey|link").derive(bytes(range(32)))

    assert key.subkey("link") == link
    assert len({key.subkey("link"), key.subkey("flow"), Key(b"\x01" * 32).subkey("link")}) == 3


@pytest.mark.parametrize("size", [0, 16, 31, 33, 64])
def test_a_key_of_another_size_is_refused(size: int) -> None:
    """A key has 32 bytes."""
    with pytest.raises(ValueError, match="32 bytes"):
        Key(bytes(size))


def test_a_key_shows_its_id_and_nothing_else(key: Key) -> None:
    """Printing, formatting and logging a key give its id; it cannot be pickled or copied."""
    shown = f"Key({sha256(b'kid|' + bytes(range(32))).hexdigest()[:16]})"

    assert [str(key), repr(key), f"{key}"] == [shown, shown, shown]
    spread: list[Callable[[Key], object]] = [pickle.dumps, copy.copy, copy.deepcopy]
    for attempt in spread:
        with pytest.raises(TypeError, match="not pickled or copied"):
            attempt(key)


def test_a_refusal_names_the_column_alone(key: Key) -> None:
    """The error says which kind of value is damaged, and neither whose nor what."""
    with pytest.raises(IntegrityError) as refused:
        key.open(PLACE, TOKEN)

    assert "connections.credential" in str(refused.value)
    assert "app_live_1" not in str(refused.value)
    assert refused.value.__cause__ is None

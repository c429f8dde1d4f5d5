"""Master keys: which are taken, which are refused, how a new one is made."""

from __future__ import annotations

import base64
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import pytest
from msgspec.structs import replace

from holdfast.errors import IntegrityError, SettingsError
from holdfast.store.seal.envelope import Place
from holdfast.store.seal.masterkey import GivenKeys, create_master_key_file

# Random bytes whose base64 has a "+" and a "/", so that the two alphabets differ.
RAW = bytes.fromhex("fbefbe7fa1c35e0992d8e4b6107a3cfd58216b9fe0447dc2a8135e91f6cb0d77")
OTHER = bytes.fromhex("92d8e4b6fbef58216b9fe0447dc2be7fa1c35e09a8135e91107a3cfdf6cb0d76")
TEXT = base64.b64encode(RAW).decode()
OTHER_TEXT = base64.urlsafe_b64encode(OTHER).decode()

PLACE = Place("data_keys", "wrapped", "app_1", ("8b7d4f",))
SECRET = bytes(range(32))


def key_id(raw: bytes) -> str:
    return sha256(b"kid|" + raw).hexdigest()[:16]


@pytest.mark.parametrize(
    "text",
    [TEXT, f"{TEXT}\n", f"  {TEXT} ", TEXT.rstrip("="), base64.urlsafe_b64encode(RAW).decode(), f"{TEXT},"],
)
def test_a_key_is_32_bytes_in_either_base64(text: str) -> None:
    """Standard and URL-safe base64, padded or not, with space around it, are the same key."""
    masters = GivenKeys.parse(text)

    assert masters.primary.id.hex() == key_id(RAW)
    assert masters.ids == (key_id(RAW),)


@pytest.mark.parametrize("separator", [",", "\n", ", ", "\r\n", "\n\n"])
async def test_the_first_of_several_keys_is_the_primary_one(separator: str) -> None:
    """Commas and line ends part the keys; the first wraps, and what another one wrapped opens too."""
    masters = GivenKeys.parse(f"{TEXT}{separator}{OTHER_TEXT}\n")
    former = await GivenKeys.parse(OTHER_TEXT).wrap(PLACE, SECRET)
    wrapped = await masters.wrap(PLACE, SECRET)

    assert masters.ids == (key_id(RAW), key_id(OTHER))
    assert (wrapped.master_key_id, former.master_key_id) == masters.ids
    assert [await masters.unwrap(PLACE, wrapped), await masters.unwrap(PLACE, former)] == [SECRET, SECRET]


async def test_a_wrapped_secret_belongs_to_its_place_and_its_key() -> None:
    """It opens nowhere else and under no other name, and a key that is not given is named."""
    masters = GivenKeys.parse(f"{TEXT},{OTHER_TEXT}")
    wrapped = await masters.wrap(PLACE, SECRET)

    for place, taken in (
        (replace(PLACE, application_id="app_2"), wrapped),
        (PLACE, wrapped._replace(master_key_id=key_id(OTHER))),
        (PLACE, wrapped._replace(blob=wrapped.blob[:-1] + bytes([wrapped.blob[-1] ^ 1]))),
    ):
        with pytest.raises(IntegrityError):
            await masters.unwrap(place, taken)
    with pytest.raises(SettingsError, match=key_id(RAW)):
        await GivenKeys.parse(OTHER_TEXT).unwrap(PLACE, wrapped)


def encoded(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "No master key"),
        (" \n,\n", "No master key"),
        (encoded(RAW[:31]), "31 bytes"),
        (encoded(RAW + b"\x00"), "33 bytes"),
        (RAW.hex(), "48 bytes"),
        ("correct horse battery staple", "key 1"),
        ("p@ssw0rd!p@ssw0rd!p@ssw0rd!p@ssw0rd!", "not base64"),
        ("correcthorsebatterystaplecorrecthorsebatter", "not random"),
        ("CORRECTHORSEBATTERYSTAPLECORRECTHORSEBATTER", "not random"),
        (encoded(bytes(32)), "not random"),
        (encoded(b"\xa7" * 32), "not random"),
        (encoded(b"\x00\xff" * 16), "not random"),
        (encoded(RAW[:8] * 4), "not random"),
        (encoded(b"correct horse battery staple 42!"), "not random"),
        (f"{TEXT},{encoded(bytes(32))}", "key 2 is not random"),
        (TEXT.replace("a", "ä"), "not base64"),
    ],
)
def test_what_is_not_a_random_key_is_refused(text: str, why: str) -> None:
    """A missing, short, patterned or made-up key is refused with how to make a good one, and is not repeated."""
    with pytest.raises(SettingsError, match=why) as refused:
        GivenKeys.parse(text)

    assert "openssl rand -base64 32" in str(refused.value)
    for word in text.replace(",", " ").split():
        assert word not in str(refused.value)


def test_keys_are_read_from_a_private_file(tmp_path: Path) -> None:
    """A file with mode 0600 or 0400 gives its keys."""
    file = tmp_path / "master.key"
    file.write_text(f"{TEXT}\n{OTHER_TEXT}\n")

    for mode in (0o600, 0o400):
        file.chmod(mode)
        assert GivenKeys.read(file).ids == (key_id(RAW), key_id(OTHER))


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o601])
def test_a_file_that_others_may_open_is_refused(tmp_path: Path, mode: int) -> None:
    """Any permission of the group or of others is refused with the command that takes it away."""
    file = tmp_path / "master.key"
    file.write_text(TEXT)
    file.chmod(mode)

    with pytest.raises(SettingsError, match=f"chmod 600 {file}"):
        GivenKeys.read(file)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A missing file, a directory and a file that is not text are errors of the settings."""
    binary = tmp_path / "binary.key"
    binary.write_bytes(b"\xff" * 32)
    binary.chmod(0o600)

    with pytest.raises(SettingsError, match=r"missing\.key cannot be read"):
        GivenKeys.read(tmp_path / "missing.key")
    with pytest.raises(SettingsError, match="cannot be read"):
        GivenKeys.read(tmp_path)
    with pytest.raises(SettingsError, match=r"binary\.key holds no text"):
        GivenKeys.read(binary)


def test_a_new_file_holds_a_new_key_for_the_owner_alone(tmp_path: Path) -> None:
    """Each file made gets another key, mode 0600 whatever the umask, and nothing is left beside it."""
    before = os.umask(0)
    try:
        for name in ("one.key", "two.key"):
            create_master_key_file(tmp_path / name)
    finally:
        os.umask(before)

    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["one.key", "two.key"]
    assert [file.stat().st_mode & 0o777 for file in files] == [0o600, 0o600]
    assert GivenKeys.read(files[0]).ids != GivenKeys.read(files[1]).ids


def test_an_existing_file_is_never_replaced(tmp_path: Path) -> None:
    """Making a file where one is fails and leaves it, and nothing else, as it was."""
    file = tmp_path / "master.key"
    file.write_text(TEXT)

    with pytest.raises(FileExistsError):
        create_master_key_file(file)

    assert file.read_text() == TEXT
    assert list(tmp_path.iterdir()) == [file]


def test_of_many_that_make_the_file_at_once_one_does(tmp_path: Path) -> None:
    """Whoever comes second finds a whole key, never an empty or half-written file."""
    file = tmp_path / "master.key"

    def make_or_read(_: int) -> str:
        with suppress(FileExistsError):
            create_master_key_file(file)
        return GivenKeys.read(file).ids[0]

    with ThreadPoolExecutor(16) as pool:
        ids = set(pool.map(make_or_read, range(32)))

    assert len(ids) == 1


def test_master_keys_show_their_ids_alone() -> None:
    """Printing the keys gives their ids."""
    masters = GivenKeys.parse(f"{TEXT},{OTHER_TEXT}")

    assert f"{masters}" == repr(masters) == f"GivenKeys({key_id(RAW)}, {key_id(OTHER)})"

"""`holdfast keys`: fresh master keys, and whether the ones that are given open what is there."""

from __future__ import annotations

import base64

from executable import Holdfast


def test_a_new_key_is_random_and_alone_on_its_line(holdfast: Holdfast) -> None:
    """32 random bytes in base64, and nothing is created."""
    first, second = holdfast.run("keys", "new").out, holdfast.run("keys", "new").out

    assert first != second
    assert len(base64.b64decode(first)) == 32
    assert list(holdfast.directory.iterdir()) == []


def test_a_new_key_opens_a_vault(holdfast: Holdfast) -> None:
    """A key in HOLDFAST_MASTER_KEY stands for the file, which is then not made."""
    key = holdfast.run("keys", "new").out.strip()
    holdfast.settings["HOLDFAST_MASTER_KEY"] = key
    holdfast.application()

    checked = holdfast.run("keys", "check")

    assert checked.status == 0
    assert key not in checked.out + checked.err
    assert not (holdfast.data / "master.key").exists()


def test_a_check_counts_what_each_key_wraps(holdfast: Holdfast) -> None:
    """The instance's data key and one for each application; a second master key wraps nothing yet."""
    holdfast.application()
    old = (holdfast.data / "master.key").read_text().strip()
    new = holdfast.run("keys", "new").out.strip()

    alone = holdfast.run("keys", "check", "--json").json
    with_new = holdfast.run("keys", "check", "--json", settings={"HOLDFAST_MASTER_KEY": f"{new},{old}"}).json

    assert [(key["primary"], key["data_keys"]) for key in alone] == [(True, 2)]
    assert [(key["primary"], key["data_keys"]) for key in with_new] == [(True, 0), (False, 2)]
    assert with_new[1]["id"] == alone[0]["id"]


def test_a_data_key_that_does_not_open_is_found(holdfast: Holdfast) -> None:
    """A damaged data key, of an application that nobody has asked for, fails the check."""
    import apsw

    holdfast.application()
    database = apsw.Connection(str(holdfast.data / "holdfast.db"))
    database.execute("UPDATE data_keys SET wrapped = zeroblob(120) WHERE application_id != ''")
    database.close()

    checked = holdfast.run("keys", "check")

    assert (checked.status, checked.out) == (1, "")
    assert checked.err == "Error: A sealed value of data_keys.wrapped did not open under its key and place.\n"


def test_a_missing_key_is_not_replaced(holdfast: Holdfast) -> None:
    """The check of a vault whose key is gone fails, and makes none."""
    holdfast.application()
    (holdfast.data / "master.key").unlink()

    checked = holdfast.run("keys", "check")

    assert checked.status == 1
    assert "There is no master key" in checked.err
    assert not (holdfast.data / "master.key").exists()

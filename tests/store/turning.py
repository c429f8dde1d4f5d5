"""A key that takes over from another one, added to the database as an operator's node would."""

from __future__ import annotations

import os

from holdfast.store.engine.database import Queries
from holdfast.store.seal.envelope import Key, Place
from holdfast.store.seal.masterkey import MasterKeys

INSTANCE = ""

_NUMBER = "SELECT MAX(number) AS number FROM data_keys WHERE application_id = :application_id"
_INSERT = """
INSERT INTO data_keys (application_id, key_id, number, master_key_id, wrapped, active_from, created_at)
VALUES (:application_id, :key_id, :number, :master_key_id, :wrapped, :active_from, :active_from)"""


async def add_data_key(q: Queries, masters: MasterKeys, application_id: str, active_from: int) -> str:
    """Adds the next key of `application_id`, active from `active_from` (ms) on; its id."""
    secret, row = os.urandom(32), await q.one(_NUMBER, application_id=application_id)
    assert row is not None
    key_id, number = Key(secret).id.hex(), row["number"] + 1
    place = Place("data_keys", "wrapped", application_id, (key_id, str(number), str(active_from)))
    wrapped = await masters.wrap(place, secret)
    await q.run(
        _INSERT,
        application_id=application_id,
        key_id=key_id,
        number=number,
        master_key_id=wrapped.master_key_id,
        wrapped=wrapped.blob,
        active_from=active_from,
    )
    return key_id

"""Deleting an application, and what that would end."""

from __future__ import annotations

from typing import Annotated

import msgspec

from holdfast.usecases import deletion
from holdfast.usecases.manage import words
from holdfast.usecases.manage.scope import operator
from holdfast.usecases.vault import Vault


class EndingData(msgspec.Struct, kw_only=True):
    """What a deletion ends at one service."""

    unified_api: Annotated[str, words.UNIFIED_API]
    service_id: Annotated[str, words.SERVICE_ID]
    connections: Annotated[int, words.CONNECTIONS]
    grants: Annotated[int, words.GRANTS]


async def endings(vault: Vault, application_id: str) -> list[EndingData]:
    """What deleting the application would end, by service. EntityNotFoundError."""
    found = await deletion.endings(operator(application_id), vault)
    return [
        EndingData(unified_api=f.unified_api, service_id=f.service_id, connections=f.connections, grants=f.grants)
        for f in found
    ]


async def delete_application(vault: Vault, application_id: str, *, keep_grants: bool = False) -> bool:
    """Deletes the application with everything it owns; its grants end at their providers unless they are kept.

    False if a worker has to finish it. EntityNotFoundError.
    """
    return await deletion.delete(operator(application_id), vault, keep_grants=keep_grants)

"""What stands around every answer."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from holdfast.http.wire.connection import Connection
from holdfast.http.wire.custom_fields import CustomFieldFinder

StatusCode = Annotated[
    int, Meta(description="The HTTP status; 201 here for what was created, although HTTP answers 200.")
]


class Answer(msgspec.Struct, kw_only=True):
    """What every answer says of itself; a subclass adds `data` and is named as published clients name it."""

    status_code: StatusCode = 200
    status: Annotated[str, Meta(description="`OK`.")] = "OK"


DATA = Meta(description="What was asked for.")


class GetConnectionResponse(Answer, kw_only=True):
    """One connection."""

    data: Connection


class GetConnectionsResponse(Answer, kw_only=True):
    """The connections of a consumer."""

    data: Annotated[list[Connection], DATA]


class CreateConnectionResponse(Answer, kw_only=True):
    """The connection that was created."""

    status_code: StatusCode = 201
    data: Connection


class UpdateConnectionResponse(Answer, kw_only=True):
    """The connection as it is after the change."""

    data: Connection


class GetCustomFieldsResponse(Answer, kw_only=True):
    """The custom fields of a resource."""

    data: Annotated[list[CustomFieldFinder], DATA]

"""Connections that were made elsewhere."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta

from holdfast.errors import RequestValidationError
from holdfast.http.wire.meanings import SETTINGS, Json, Metadata
from holdfast.usecases.connections import Import, imported_token

TOKEN_LIMIT = 65_536
LIFETIME_LIMIT = 10 * 366 * 86_400
# How far ahead of ours the clock may be that says when a token was issued.
_CLOCK_SKEW = 300_000


class ImportCredentials(msgspec.Struct, kw_only=True):
    """Tokens that were obtained elsewhere."""

    refresh_token: Annotated[str | None, Meta(description="The refresh token.")] = None
    access_token: Annotated[str | None, Meta(description="The access token.")] = None
    issued_at: Annotated[
        str | None,
        Meta(
            description="When the access token was issued (RFC 3339). Unknown: it is refreshed before its first use.",
            extra_json_schema={"format": "date-time"},
        ),
    ] = None
    expires_in: Annotated[int | None, Meta(description="Seconds from `issued_at` until the access token expires.")] = (
        None
    )


class ConnectionImportData(msgspec.Struct, kw_only=True):
    """A connection that was made elsewhere."""

    credentials: Annotated[
        ImportCredentials | None,
        Meta(description="OAuth tokens; for other connectors the credentials are settings."),
    ] = None
    settings: Annotated[Json | None, SETTINGS] = None
    metadata: Metadata = UNSET


def imported(sent: ConnectionImportData, now: int) -> Import:
    """What a caller imports. RequestValidationError for a token or a time that cannot be one."""
    given = sent.credentials or ImportCredentials()
    for name in ("access_token", "refresh_token"):
        _check_token(name, getattr(given, name))
    issued_at = _issued_at(given.issued_at, now)
    expires_at = _expires_at(given, issued_at, now)
    return Import(
        token=imported_token(given.access_token, given.refresh_token, issued_at or now, expires_at),
        settings=sent.settings or {},
        metadata=sent.metadata,
    )


def _check_token(name: str, value: str | None) -> None:
    if value is not None and not (0 < len(value) <= TOKEN_LIMIT and value.isascii() and value.isprintable()):
        raise RequestValidationError(f"credentials.{name} is not a token that a header can carry.")


def _issued_at(text: str | None, now: int) -> int | None:
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
        at = int((instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise RequestValidationError("credentials.issued_at is a time such as 2026-11-23T12:00:00Z.") from None
    if not 0 < at <= now + _CLOCK_SKEW:
        raise RequestValidationError("credentials.issued_at lies in the future.")
    return at


def _expires_at(given: ImportCredentials, issued_at: int | None, now: int) -> int | None:
    if given.expires_in is not None and not 0 <= given.expires_in <= LIFETIME_LIMIT:
        raise RequestValidationError("credentials.expires_in is a number of seconds.")
    if issued_at is not None and given.expires_in is not None:
        return issued_at + given.expires_in * 1000
    # When it was issued, or for how long, is not known: refreshed before its first use, where it can be.
    return now if given.refresh_token else None

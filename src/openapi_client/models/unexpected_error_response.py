"""The vault's error envelope; the classes below it tell which status it came with."""

from __future__ import annotations

from typing import Any

from openapi_client.model import Model


class UnexpectedErrorResponse(Model):
    """`error` is the HTTP phrase, `type_name` the kind of error, `message` a sentence, `detail` the particulars as a
    text or an object, `ref` where it is documented; `downstream_errors` is what the service itself said."""

    status_code: int | float | None = None
    error: str | None = None
    type_name: str | None = None
    message: str | None = None
    detail: str | dict[str, Any] | None = None
    ref: str | None = None
    downstream_errors: list[dict[str, Any]] | None = None


class BadRequestResponse(UnexpectedErrorResponse):
    """400"""


class UnauthorizedResponse(UnexpectedErrorResponse):
    """401"""


class PaymentRequiredResponse(UnexpectedErrorResponse):
    """402"""


class NotFoundResponse(UnexpectedErrorResponse):
    """404"""


class ConflictResponse(UnexpectedErrorResponse):
    """409"""


class UnprocessableResponse(UnexpectedErrorResponse):
    """422"""

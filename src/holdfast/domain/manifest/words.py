"""What a text in a manifest stands for, and what every group of words has in common.

`connector` and `oauth` hold the words themselves; `holdfast.catalog` checks each text according to its kind here.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

Level = Literal["connection", "integration"]
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]

ServiceId = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$", extra={"is": "id"})]
# No `+`: a connection is addressed as `{unified_api}+{service_id}`.
UnifiedApiId = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{0,63}$", extra={"is": "id"})]
SettingId = Annotated[str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$", extra={"is": "setting"})]
Template = Annotated[str, Meta(extra={"is": "template"})]
TemplateTree = Annotated[dict[str, Any], Meta(extra={"is": "template tree"})]
UrlTemplate = Annotated[str, Meta(extra={"is": "URL template"})]
AnswerPath = Annotated[str, Meta(extra={"is": "path"})]
HostPattern = Annotated[str, Meta(extra={"is": "host pattern"})]
Pattern = Annotated[str, Meta(extra={"is": "regular expression"})]
WordPath = Annotated[str, Meta(extra={"is": "word"})]
Markdown = Annotated[str, Meta(max_length=2000, extra={"is": "Markdown"})]
WebAddress = Annotated[str, Meta(pattern=r"^https?://[^\s]+$", extra={"is": "address"})]
Day = Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}$", extra={"is": "date"})]
Seconds = Annotated[int, Meta(ge=1, extra={"is": "seconds"})]
HeaderName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$", extra={"is": "header"})]
Count = Annotated[int, Meta(ge=1, extra={"is": "number"})]
HttpStatus = Annotated[int, Meta(ge=100, le=599, extra={"is": "HTTP status"})]


class Word(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A group of manifest words. An unknown word is an error, so a typing mistake never passes silently."""

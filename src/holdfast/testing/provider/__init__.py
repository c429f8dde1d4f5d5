"""A provider to connect to: an OAuth 2.0 authorization server (RFC 6749, 7636, 7009, 8414, 9207) and a small CRM.

Everything real providers do differently is an argument, so that one program stands in for any of them:

- `shape`        how it looks on the wire: paths, names, places of members, lifetimes, rotation
- `behaviour`    what goes wrong: status codes, delays, lies, lost answers; `bad_answers` is a collection
- `sandbox`      `SandboxProvider` itself: endpoints, log, server
- `authorization`, `token`, `revocation`, `metadata`, `api`   one module for each endpoint
- `files`        bodies of any size, streamed in both directions
- `ledger`       what was issued and is still good; `clients`, `users`, `crm`   who and what there is

    provider = SandboxProvider(clock=TestClock())
    network = FakeNetwork({"crm.example": provider.app})
    with provider.behave("token:refresh_token", drop()):
        ...
    assert provider.calls["token:refresh_token"] == 1

It knows nothing of Holdfast beyond its clock and two small value modules, so that a misunderstanding in the vault
is not repeated here. `python -m holdfast.testing.provider --help` runs it alone.
"""

from __future__ import annotations

from holdfast.testing.provider.api import ApiRoute, Call
from holdfast.testing.provider.bad_answers import BAD_TOKEN_ANSWERS, BadAnswer
from holdfast.testing.provider.behaviour import (
    LEFT_OUT,
    Behaviour,
    RawAnswer,
    drip,
    drop,
    fail,
    lie,
    redirect,
    say,
    stall,
)
from holdfast.testing.provider.clients import RegisteredClient
from holdfast.testing.provider.files import Files, Streamed
from holdfast.testing.provider.received import Received
from holdfast.testing.provider.sandbox import SandboxProvider
from holdfast.testing.provider.shape import (
    Api,
    Authorization,
    Expiry,
    Lifetimes,
    Placement,
    Revocation,
    Shape,
    TokenAnswer,
    TokenRequest,
    document,
)
from holdfast.testing.provider.users import USERS, User

__all__ = [
    "BAD_TOKEN_ANSWERS",
    "LEFT_OUT",
    "USERS",
    "Api",
    "ApiRoute",
    "Authorization",
    "BadAnswer",
    "Behaviour",
    "Call",
    "Expiry",
    "Files",
    "Lifetimes",
    "Placement",
    "RawAnswer",
    "Received",
    "RegisteredClient",
    "Revocation",
    "SandboxProvider",
    "Shape",
    "Streamed",
    "TokenAnswer",
    "TokenRequest",
    "User",
    "document",
    "drip",
    "drop",
    "fail",
    "lie",
    "redirect",
    "say",
    "stall",
]

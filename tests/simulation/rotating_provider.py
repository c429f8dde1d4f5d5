"""A provider's token endpoint as facts: which refresh tokens it has given, which one is in force, and who has asked.

Each way in which providers rotate is one branch. `last` is the worst kind that a manifest calls `strict`: a replaced
token is taken once more, and that ends what it was replaced by.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qs

from holdfast.domain.exchange import Request, Response

Rotation = Literal["none", "grace", "strict", "family", "last"]

# Seconds that an access token lives, and that a replaced refresh token is still taken (`grace`).
LIFE, WINDOW = 300, 60


@dataclass(eq=False)
class Family:
    """The refresh tokens of one consent, the oldest first."""

    code: str
    tokens: list[str] = field(default_factory=list)
    alive: bool = True
    ended_by: str = ""
    noted: bool = False
    replaced_at: int = 0

    @property
    def current(self) -> str:
        return self.tokens[-1]

    def is_current(self, token: str) -> bool:
        return self.alive and self.tokens[-1] == token

    def is_last(self, token: str) -> bool:
        """Whether it is the one that the current one has replaced."""
        return len(self.tokens) > 1 and self.tokens[-2] == token


class Provider:
    """What the provider knows. `now` in ms."""

    def __init__(self, rotation: Rotation, *, ends: str = "token") -> None:
        self.rotation = rotation
        self.ends = ends
        self.families: list[Family] = []
        self.by_token: dict[str, Family] = {}
        self.order: dict[str, int] = {}  # of refresh tokens, as they were given
        self.access: dict[str, int] = {}  # until when each access token is good
        self.codes: dict[str, bool] = {}
        self.presented: list[str] = []

    def new_code(self) -> str:
        code = f"code-{len(self.codes) + 1}"
        self.codes[code] = True
        return code

    def knows(self, token: str | None) -> Family | None:
        return self.by_token.get(token or "")

    def is_current(self, token: str | None) -> bool:
        """Whether a refresh with `token` would be granted now, and give the newest token."""
        family = self.knows(token)
        return family is not None and family.is_current(token or "")

    def acts(self, request: Request, now: int, *, claimed_at: int) -> tuple[Response, str | None]:
        """The answer, and the refresh token in it. `claimed_at`: a request that was claimed inside the window of grace
        is taken as arriving inside it."""
        asked = {name: values[0] for name, values in parse_qs((request.body or b"").decode()).items()}
        if request.url.endswith("/revoke"):
            return self._revoked(asked["token"]), None
        if asked["grant_type"] == "authorization_code":
            return self._redeemed(asked["code"], now)
        return self._refreshed(asked["refresh_token"], now, claimed_at)

    def _redeemed(self, code: str, now: int) -> tuple[Response, str | None]:
        if not self.codes.get(code):
            return _refusal(), None
        self.codes[code] = False
        family = Family(code)
        self.families.append(family)
        return self._issued(family, now)

    def _refreshed(self, token: str, now: int, claimed_at: int) -> tuple[Response, str | None]:
        family = self.by_token[token]
        self.presented.append(token)
        if not family.alive:
            return _refusal(), None
        if self.rotation == "none":
            return self._answer(token, now), token
        if token == family.current:
            return self._issued(family, now)
        if family.is_last(token):
            if self.rotation == "last":
                return self._issued(family, now)
            if self.rotation == "grace" and min(now, claimed_at) < family.replaced_at + WINDOW * 1000:
                return self._answer(family.current, now), family.current
        if self.rotation in ("family", "grace"):
            family.alive, family.ended_by = False, "a replaced token was used again"
        return _refusal(), None

    def _revoked(self, token: str) -> Response:
        family = self.knows(token)
        hit = self.families if self.ends == "grant" and family else [family] if family else []
        for one in hit:
            if one.alive:
                one.alive, one.ended_by = False, "revoked"
        return Response(200, {"content-type": "application/json"}, b"{}")

    def _issued(self, family: Family, now: int) -> tuple[Response, str | None]:
        token = f"rt-{len(self.by_token) + 1}"
        family.tokens.append(token)
        family.replaced_at = now
        self.by_token[token] = family
        self.order[token] = len(self.order)
        return self._answer(token, now), token

    def _answer(self, token: str, now: int) -> Response:
        access = f"at-{len(self.access) + 1}"
        self.access[access] = now + LIFE * 1000
        members = {"access_token": access, "refresh_token": token, "expires_in": LIFE, "token_type": "Bearer"}
        return Response(200, {"content-type": "application/json"}, json.dumps(members).encode())


def _refusal() -> Response:
    return Response(400, {"content-type": "application/json"}, b'{"error": "invalid_grant"}')

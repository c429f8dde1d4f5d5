"""What the authorization server has issued, and what is still good: codes, access tokens, refresh tokens, grants.

Owns the rules of RFC 6749 sections 4.1.2 and 6, of PKCE (RFC 7636 section 4.6) and of the four ways in which
providers treat a refresh token that comes twice. No HTTP. Every value it makes begins with `sbx_`, so that a test
can search logs, databases and answers for what must not be there.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass, field

from holdfast.clock import Clock
from holdfast.testing.provider.refusal import Refusal
from holdfast.testing.provider.shape import Lifetimes
from holdfast.testing.provider.users import User


@dataclass(slots=True, repr=False)
class Grant:
    """One consent, and the family of tokens that came of it."""

    client_id: str
    user: User
    scopes: tuple[str, ...]
    ended: bool = False
    access: list[AccessToken] = field(default_factory=list)
    refresh: RefreshToken | None = None
    """The newest one."""


@dataclass(slots=True, repr=False)
class AccessToken:
    value: str
    grant: Grant
    expires_at: int | None
    ended: bool = False


@dataclass(slots=True, repr=False)
class RefreshToken:
    value: str
    grant: Grant
    expires_at: int | None
    spent_at: int | None = None
    ended: bool = False


@dataclass(slots=True, repr=False)
class Code:
    grant: Grant
    redirect_uri: str | None
    challenge: str | None
    expires_at: int
    spent: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class Issue:
    """What one answer of the token endpoint hands out. `refreshed` tells a refresh from a first issue."""

    access: AccessToken
    refresh: RefreshToken | None
    refreshed: bool = False


class Ledger:
    """The memory of the authorization server."""

    def __init__(self, clock: Clock, lifetimes: Lifetimes) -> None:
        self.clock = clock
        self.lifetimes = lifetimes
        self.codes: dict[str, Code] = {}
        self.access: dict[str, AccessToken] = {}
        self.refresh: dict[str, RefreshToken] = {}
        self.grants: list[Grant] = []

    def code(self, grant: Grant, redirect_uri: str | None, challenge: str | None) -> str:
        """A new authorization code. `redirect_uri` is the one the request named, if it named one."""
        value = _new("code")
        self.codes[value] = Code(grant, redirect_uri, challenge, self._after(self.lifetimes.code) or 0)
        return value

    def redeem(self, value: str, client_id: str, redirect_uri: str | None, verifier: str | None) -> Issue:
        """The tokens for a code. A code that comes twice ends what it gave the first time (section 4.1.2)."""
        code = self.codes.get(value)
        if code is None or code.grant.client_id != client_id:
            raise Refusal("invalid_grant", "unknown authorization code")
        if code.spent:
            code.grant.ended = True
            raise Refusal("invalid_grant", "the authorization code has been used before")
        if code.expires_at <= self.clock.now():
            raise Refusal("invalid_grant", "the authorization code has expired")
        if code.redirect_uri != redirect_uri and code.redirect_uri is not None:
            raise Refusal("invalid_grant", "redirect_uri is not the one of the authorization request")
        # A verifier without a challenge is refused too: somebody took the challenge away (RFC 9700 section 2.1.1).
        if code.challenge != (_challenge(verifier) if verifier else None):
            raise Refusal("invalid_grant", "the code_verifier does not fit the code_challenge")
        code.spent = True
        return self.issue(code.grant)

    def issue(self, grant: Grant, *, refreshable: bool = True) -> Issue:
        """The first tokens of a grant."""
        self.grants.append(grant)
        return Issue(self._access(grant), self._refresh(grant) if refreshable else None)

    def reissue(self, value: str, client_id: str) -> Issue:
        """The tokens for a refresh token (section 6)."""
        token = self.refresh.get(value)
        if token is None or token.grant.client_id != client_id or not self.good(token):
            raise Refusal("invalid_grant", "the refresh token is unknown, expired or revoked")
        if token.spent_at is not None:
            return self._used_again(token)
        self._check_not_too_early(token.grant)
        if self.lifetimes.refresh_ends_access:
            for access in token.grant.access:
                access.ended = True
        return Issue(self._access(token.grant), self._rotated(token), refreshed=True)

    def revoke(self, value: str) -> None:
        """End a token. A refresh token takes its grant along; one that is unknown is no error (RFC 7009 section 2)."""
        if value in self.refresh:
            self.refresh[value].grant.ended = True
        elif value in self.access:
            self.access[value].ended = True

    def good(self, token: AccessToken | RefreshToken) -> bool:
        """Whether `token` has neither been ended nor expired."""
        expired = token.expires_at is not None and token.expires_at <= self.clock.now()
        return not (token.ended or token.grant.ended or expired)

    def bearer(self, value: str) -> Grant | None:
        """The grant of a good access token."""
        token = self.access.get(value)
        return token.grant if token is not None and self.good(token) else None

    def _used_again(self, token: RefreshToken) -> Issue:
        spent_for = self.clock.now() - (token.spent_at or 0)
        if self.lifetimes.rotation == "grace" and spent_for < self.lifetimes.grace * 1000:
            return Issue(self._access(token.grant), token.grant.refresh, refreshed=True)
        if self.lifetimes.rotation == "family":
            token.grant.ended = True
        raise Refusal("invalid_grant", "the refresh token has been used before")

    def _rotated(self, token: RefreshToken) -> RefreshToken:
        if self.lifetimes.rotation != "none":
            token.spent_at = self.clock.now()
            return self._refresh(token.grant)
        token.expires_at = self._after(self.lifetimes.refresh)
        return token

    def _check_not_too_early(self, grant: Grant) -> None:
        expires_at, margin = grant.access[-1].expires_at, self.lifetimes.not_before_expiry
        if margin is None or expires_at is None or expires_at - self.clock.now() <= margin * 1000:
            return
        raise Refusal("invalid_request", "the access token is not about to expire")

    def _access(self, grant: Grant) -> AccessToken:
        token = AccessToken(_new("at"), grant, self._after(self.lifetimes.access))
        grant.access.append(token)
        self.access[token.value] = token
        return token

    def _refresh(self, grant: Grant) -> RefreshToken:
        token = grant.refresh = RefreshToken(_new("rt"), grant, self._after(self.lifetimes.refresh))
        self.refresh[token.value] = token
        return token

    def _after(self, seconds: float | None) -> int | None:
        return None if seconds is None else self.clock.now() + round(seconds * 1000)


def _new(kind: str) -> str:
    return f"sbx_{kind}_{secrets.token_urlsafe(32)}"


def _challenge(verifier: str) -> str:
    """RFC 7636 section 4.2, S256."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()

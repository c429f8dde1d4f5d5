"""What a step of the browser came to, told to our own page in a value that nobody else can make.

The page is reached by a redirect, so whatever it says stands in its query. Free text there would be anybody's text on
our domain; so the query carries this: which sentence to say, with which names, under a MAC, for a few minutes.
"""

from __future__ import annotations

import base64
import hmac

import msgspec

from holdfast.http.pages.sentences import Said
from holdfast.usecases.vault import Vault

# Seconds. A page that is reloaded later says that nothing happened, which is then true of it.
LIFETIME = 600
LIMIT = 2048


class Outcome(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A sentence and its names. `back` leads to the application; `code` is the kind of error."""

    said: Said
    service: str | None
    application: str
    back: str | None = None
    code: str = ""
    until: int = 0

    @property
    def names(self) -> dict[str, str]:
        found = {"service": self.service, "application": self.application}
        return {role: name for role, name in found.items() if name}


def signed(vault: Vault, outcome: Outcome) -> str:
    """`outcome` as a text for a query."""
    until = vault.clock.now() // 1000 + LIFETIME
    body = _base64url(msgspec.json.encode(msgspec.structs.replace(outcome, until=until)))
    return f"{body}.{_base64url(vault.keys.page.current.digest(b'outcome' + body.encode()))}"


def read(vault: Vault, text: str) -> Outcome | None:
    """The outcome of a text that we made a moment ago; None for any other."""
    body, _, mac = text.partition(".")
    given = mac.encode("utf-8", "replace")
    made = (_base64url(key.digest(b"outcome" + body.encode("utf-8", "replace"))) for key in vault.keys.page)
    if len(text) > LIMIT or not any(hmac.compare_digest(given, mac.encode()) for mac in made):
        return None
    raw = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
    try:
        outcome = msgspec.json.decode(raw, type=Outcome)
    except ValueError:  # a newer release may say what this one does not know
        return None
    return outcome if outcome.until > vault.clock.now() // 1000 else None


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

"""Whether the consumer agrees to what an application does with the connection's data."""

from __future__ import annotations

from typing import Literal

# `implicit`: the application asks nobody.
ConsentState = Literal["implicit", "pending", "granted", "denied", "revoked", "requires_reconsent"]


def allows_use(consent: ConsentState) -> bool:
    """Whether a connection under this consent may be used."""
    return consent in ("implicit", "granted")

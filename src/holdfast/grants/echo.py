"""What a service repeats of what it was sent, taken out of its answer while that is on its way.

An echo of the credential would hand it to a caller who may use it and not have it. Each byte of it becomes `*`, so no
length changes, and a body can be looked through without being held: of a piece only the end is kept back that may be
the beginning of a secret. Looked for are the exact values in the codings in which they travel (`sent.forms`); a body
in a content coding is not looked into.
"""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.grants.sent import SHORTEST, forms


class Echo:
    """Looks for `secrets` in one answer. `found` says how many were taken out so far."""

    __slots__ = ("_kept", "_longest", "_patterns", "found")

    def __init__(self, secrets: Iterable[str]) -> None:
        known = {
            form.encode("utf-8", "replace") for secret in secrets if len(secret) >= SHORTEST for form in forms(secret)
        }
        # A longer one may hold a shorter one, and would not be found any more without it.
        self._patterns = sorted(known, key=len, reverse=True)
        self._longest = len(self._patterns[0]) if self._patterns else 0
        self._kept = b""
        self.found = 0

    def is_clear_of(self, data: bytes) -> bool:
        """Whether nothing of the secrets is in `data`."""
        return not any(pattern in data for pattern in self._patterns)

    def within(self, data: bytes) -> bytes:
        """`data`, which stands alone, without the secrets."""
        for pattern in self._patterns:
            if pattern in data:
                self.found += 1
                data = data.replace(pattern, b"*" * len(pattern))
        return data

    def piece(self, data: bytes) -> bytes:
        """As much of the body as can be passed on after `data` has come."""
        data = self.within(self._kept + data if self._kept else data)
        begun = self._begun(data)
        self._kept = data[len(data) - begun :] if begun else b""
        return data[:-begun] if begun else data

    def rest(self) -> bytes:
        """What was kept back, when nothing comes any more."""
        kept, self._kept = self._kept, b""
        return kept

    def _begun(self, data: bytes) -> int:
        """How many of the last bytes may be the beginning of a secret."""
        tail = data[-(self._longest - 1) :] if self._longest > 1 else b""
        longest = 0
        for pattern in self._patterns:
            at = tail.find(pattern[:1], max(0, len(tail) - len(pattern) + 1))
            while at >= 0:
                if pattern.startswith(tail[at:]):
                    longest = max(longest, len(tail) - at)
                    break
                at = tail.find(pattern[:1], at + 1)
        return longest

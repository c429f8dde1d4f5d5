"""Which Pythons are known to be too old for a process that strangers can reach."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

# The first release of each line in which `http.cookies`, which reads every Cookie header that comes in, takes no
# quadratic time for quoted backslashes (CVE-2024-7592). Later lines never did.
SAFE: Final = {(3, 11): 10, (3, 12): 6}


def outdated(version: Sequence[int] = sys.version_info[:3]) -> str | None:
    """What to tell whoever serves with the Python of this `version`; None if nothing is known against it."""
    major, minor, micro = version
    safe = SAFE.get((major, minor), 0)
    if micro >= safe:
        return None
    return (
        f"Python {major}.{minor}.{micro} lacks security fixes that a server needs; install {major}.{minor}.{safe} or "
        "newer."
    )

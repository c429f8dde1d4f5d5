"""How many files, sockets among them, this process may have open. Windows has no such limit."""

from __future__ import annotations

import sys

# What a server could ever need here; some systems allow a billion, for which others would make tables.
MOST = 65_536

if sys.platform == "win32":

    def raise_limit() -> None:
        """Nothing to be done."""

    def limit() -> int:
        """No limit is known."""
        return MOST

else:
    import resource

    def raise_limit() -> None:
        """Takes what the system allows: the soft limit, often 1024, is one for programs that use select(2)."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))

    def limit() -> int:
        """How many may be open."""
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return MOST if soft == resource.RLIM_INFINITY else soft

"""No core dump of this process: it would hold what was opened. Windows writes none."""

from __future__ import annotations

import sys

if sys.platform == "win32":

    def forbid() -> None:
        """Nothing to be done."""

else:
    import resource

    def forbid() -> None:
        """For this process and for those that it starts; whoever wants one back needs more rights than it has."""
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

"""Says what is missing before `make` sets anything up. Written so that old Pythons can read it, too."""

import sys


def missing():
    """What stands in the way, in one sentence; None if nothing does."""
    if sys.version_info < (3, 11):
        found = (sys.executable,) + tuple(sys.version_info[:2])
        return "Holdfast needs Python 3.11 or newer, and %s is %d.%d. Name another: make PYTHON=python3.12 demo" % found
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        return "%s cannot make virtual environments; on Debian and Ubuntu: apt install python3-venv" % sys.executable
    return None


if __name__ == "__main__":
    sys.exit(missing())

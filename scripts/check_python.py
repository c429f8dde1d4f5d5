"""Says what is missing before `make` sets anything up. Written so that old Pythons can read it, too."""

import sys

OLDEST = (3, 11)


def missing():
    """What stands in the way, in one sentence; None if nothing does."""
    if sys.version_info < OLDEST:
        return "Holdfast needs Python %d.%d or newer; %s is %d.%d. Name another one: make PYTHON=python3.12 …" % (
            OLDEST + (sys.executable,) + tuple(sys.version_info[:2])
        )
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        return (
            "%s cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv" % sys.executable
        )
    return None


if __name__ == "__main__":
    sys.exit(missing())

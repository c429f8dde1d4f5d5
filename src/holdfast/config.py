"""Settings: read from the environment, here and nowhere else.

Every secret may also be given as a file: `HOLDFAST_ADMIN_TOKEN_FILE=/run/secrets/admin` instead of
`HOLDFAST_ADMIN_TOKEN`. `docs/reference/settings.md` lists them; a test keeps the two in step.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from holdfast.errors import SettingsError

SECRETS = ("HOLDFAST_ADMIN_TOKEN", "HOLDFAST_MASTER_KEY")
NAMES = (
    "HOLDFAST_DATA_DIR", "HOLDFAST_DATABASE_URL", "HOLDFAST_PUBLIC_URL", "HOLDFAST_CONNECTORS_DIR",
    "HOLDFAST_EGRESS_ALLOW", "HOLDFAST_LOG_LEVEL", "HOLDFAST_REFRESH_LOCK", "HOLDFAST_FAILPOINT",
    *SECRETS, *(f"{name}_FILE" for name in SECRETS),
)  # fmt: skip
LOG_LEVELS = ("debug", "info", "warning", "error")


DATA_DIR, PUBLIC_URL, LOG_LEVEL = Path("holdfast-data"), "http://127.0.0.1:8000", "info"


@dataclass(frozen=True, slots=True)
class Settings:
    """How this vault runs. A value that is None was not given, and its default stands under the data directory."""

    data_dir: Path = DATA_DIR
    database_url: str = field(default="", repr=False)
    public_url: str = PUBLIC_URL
    connectors_dir: Path | None = None
    egress_allow: str = ""
    log_level: str = LOG_LEVEL
    refresh_lock: bool = True
    failpoint: str = ""
    admin_token: str | None = field(default=None, repr=False)
    master_key: str | None = field(default=None, repr=False)
    master_key_file: Path | None = None

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """The settings of this process. SettingsError names a value that cannot be used and what would be."""
        _refuse_unknown(environ)
        _refuse_twice(environ)
        data_dir = Path(environ.get("HOLDFAST_DATA_DIR") or DATA_DIR)
        connectors_dir = environ.get("HOLDFAST_CONNECTORS_DIR")
        master_key_file = environ.get("HOLDFAST_MASTER_KEY_FILE")
        return cls(
            data_dir=data_dir,
            database_url=environ.get("HOLDFAST_DATABASE_URL") or f"sqlite:///{data_dir / 'holdfast.db'}",
            public_url=_public_url(environ.get("HOLDFAST_PUBLIC_URL") or PUBLIC_URL),
            connectors_dir=Path(connectors_dir) if connectors_dir else None,
            egress_allow=environ.get("HOLDFAST_EGRESS_ALLOW", ""),
            log_level=_log_level(environ.get("HOLDFAST_LOG_LEVEL") or LOG_LEVEL),
            refresh_lock=_refresh_lock(environ.get("HOLDFAST_REFRESH_LOCK") or "session"),
            failpoint=environ.get("HOLDFAST_FAILPOINT", ""),
            admin_token=_secret(environ, "HOLDFAST_ADMIN_TOKEN"),
            master_key=environ.get("HOLDFAST_MASTER_KEY") or None,
            master_key_file=Path(master_key_file) if master_key_file else None,
        )

    @property
    def secure(self) -> bool:
        """Whether browsers reach this vault over https."""
        return self.public_url.startswith("https://")


def _refuse_unknown(environ: Mapping[str, str]) -> None:
    unknown = sorted(n for n in environ if n.startswith("HOLDFAST_") and n not in NAMES)
    if unknown:
        raise SettingsError(f"{', '.join(unknown)}: no such setting. The settings are {', '.join(NAMES)}.")


def _refuse_twice(environ: Mapping[str, str]) -> None:
    for name in SECRETS:
        if environ.get(name) and environ.get(f"{name}_FILE"):
            raise SettingsError(f"{name} and {name}_FILE are both set; give one of them.")


def _public_url(text: str) -> str:
    url = urlsplit(text.rstrip("/"))
    loopback = url.hostname in ("127.0.0.1", "localhost", "::1")
    if not url.hostname or url.query or url.fragment or url.username or url.scheme not in ("https", "http"):
        raise SettingsError(f"HOLDFAST_PUBLIC_URL={text!r} is not an address such as https://vault.example.com.")
    if url.scheme == "http" and not loopback:
        raise SettingsError("HOLDFAST_PUBLIC_URL must be https:// unless it is on this machine (127.0.0.1).")
    return url.geturl()


def _log_level(text: str) -> str:
    if text.lower() not in LOG_LEVELS:
        raise SettingsError(f"HOLDFAST_LOG_LEVEL={text!r} is not one of {', '.join(LOG_LEVELS)}.")
    return text.lower()


def _refresh_lock(text: str) -> bool:
    if text not in ("session", "none"):
        raise SettingsError(f"HOLDFAST_REFRESH_LOCK={text!r} is neither session nor none.")
    return text == "session"


def _secret(environ: Mapping[str, str], name: str) -> str | None:
    file = environ.get(f"{name}_FILE")
    if not file:
        return environ.get(name) or None
    try:
        text = Path(file).read_text().strip()
    except OSError as error:
        raise SettingsError(f"{name}_FILE={file} cannot be read: {error.strerror}.") from None
    if not text:
        raise SettingsError(f"{name}_FILE={file} is empty.")
    return text

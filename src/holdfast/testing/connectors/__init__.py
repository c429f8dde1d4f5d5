"""The manifests of the sandbox: what `holdfast demo` and tests connect to.

They lie in folders as the shipped catalogue's do, with `sandbox.invalid` (RFC 6761 section 6.4) where the address
of a running provider belongs.
"""

from __future__ import annotations

from importlib.resources import files
from urllib.parse import urlsplit

PLACE = "sandbox.invalid"


def sandbox_manifest(provider_url: str) -> str:
    """The text of a `connector.yaml` for the sandbox CRM at `provider_url`, such as `http://127.0.0.1:9000`."""
    url = provider_url.rstrip("/")
    text = files(__package__).joinpath("sandbox-crm/connector.yaml").read_text(encoding="utf-8")
    return text.replace(f"http://{PLACE}", url).replace(PLACE, urlsplit(url).netloc)

"""Connectors of every auth type, as small as a manifest can be."""

from __future__ import annotations

from typing import Any

import msgspec

from holdfast.domain.manifest.connector import Connector

CODE: dict[str, Any] = {
    "authorize": {"url": "https://auth.acme.example/authorize"},
    "token": {"url": "https://auth.acme.example/token"},
}
EXCHANGED: dict[str, Any] = {"token": {"url": "https://auth.acme.example/token"}, "client": {"source": "connection"}}
CLIENT_FIELDS = [
    {"id": "client_id", "label": "Client id", "required": True},
    {"id": "client_secret", "label": "Client secret", "type": "password", "required": True},
]
TENANT = {"id": "tenant_id", "label": "Organisation", "type": "select", "required": True, "filled_by": "after_connect"}
API_KEY = {"id": "api_key", "label": "API key", "type": "password", "required": True}

AUTH_TYPES: dict[str, dict[str, Any]] = {
    "authorization_code": {"auth": {"type": "oauth2", "oauth": CODE}, "settings": [TENANT]},
    "client_credentials": {
        "auth": {"type": "oauth2", "oauth": {"grant": "client_credentials", **EXCHANGED}},
        "settings": CLIENT_FIELDS,
    },
    "password": {
        "auth": {"type": "oauth2", "oauth": {"grant": "password", "token": EXCHANGED["token"]}},
        "settings": [
            {"id": "username", "label": "User name", "required": True},
            {"id": "password", "label": "Password", "type": "password", "required": True},
        ],
    },
    "apiKey": {"auth": {"type": "apiKey"}, "settings": [API_KEY]},
    "basic": {
        "auth": {"type": "basic"},
        "settings": [API_KEY, {"id": "subdomain", "label": "Subdomain", "required": True}],
    },
    "custom": {"auth": {"type": "custom"}, "settings": [API_KEY]},
    "custom_with_token": {
        "auth": {"type": "custom", "oauth": {"grant": "client_credentials", **EXCHANGED}},
        "settings": CLIENT_FIELDS,
    },
    "none": {"auth": {"type": "none"}},
}


def connector(kind: str, **words: Any) -> Connector:
    """A connector of one of `AUTH_TYPES`, with more words of the manifest."""
    manifest = {
        "schema": 1,
        "id": "acme",
        "name": "Acme",
        "website": "https://acme.example",
        "unified_apis": {"crm": {"resources": {"leads": ["all"]}}},
        "hosts": ["*.acme.example"],
        "verified": {"by": "nobody", "on": "2026-11-23"},
        **AUTH_TYPES[kind],
        **words,
    }
    return msgspec.convert(manifest, Connector)

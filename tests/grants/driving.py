"""A flow, driven by hand: no network, no clock, no loop."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from typing import Any
from urllib.parse import parse_qs

import msgspec
import pytest

from holdfast.domain.credential import Client, Secret
from holdfast.domain.exchange import Request, Response
from holdfast.domain.manifest.connector import Connector
from holdfast.grants.flow import Setup

NOW = 1_767_225_600_000


def acme(**oauth: Any) -> Connector:
    """An OAuth connector with some words of `auth.oauth` its own way."""
    manifest = {
        "schema": 1,
        "id": "acme",
        "name": "Acme",
        "website": "https://acme.example",
        "unified_apis": {"crm": {"resources": {"leads": ["all"]}}},
        "hosts": ["*.acme.example"],
        "settings": [{"id": "shop", "label": "Shop"}],
        "auth": {
            "type": "oauth2",
            "oauth": {
                "authorize": {"url": "https://auth.acme.example/authorize"},
                "token": {"url": "https://auth.acme.example/token"},
                **oauth,
            },
        },
        "request": {"base_url": "https://api.acme.example/v1", "auth": [{"value": "Bearer {cred.access_token}"}]},
        "verified": {"by": "nobody", "on": "2026-11-23"},
    }
    return msgspec.convert(manifest, Connector)


def setup(connector: Connector | None = None, **values: Mapping[str, str]) -> Setup:
    return Setup(
        connector=connector or acme(),
        hosts=("*.acme.example",),
        client=Client("client:1", Secret("s3cret/+ %")),
        values={"settings": {"shop": "north"}, **values},
    )


def answer(members: Any, status: int = 200, **headers: str) -> Response:
    return Response(status, {"content-type": "application/json", **headers}, json.dumps(members).encode())


def sent(request: Request) -> dict[str, str]:
    """The members of a form body."""
    return {
        name: values[0] for name, values in parse_qs((request.body or b"").decode(), keep_blank_values=True).items()
    }


def run(flow: Generator[Request, Response, Any], *answers: Response) -> tuple[Any, list[Request]]:
    """What the flow returns when it receives `answers`, and the requests that it made."""
    requests: list[Request] = []
    try:
        requests.append(next(flow))
        for given in answers:
            requests.append(flow.send(given))  # noqa: PERF401 - a generator would turn StopIteration into RuntimeError
    except StopIteration as done:
        return done.value, requests
    pytest.fail("the flow asks for more")

"""A Python client that openapi-generator makes of `/openapi.json`, and what its documentation says of each method."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import openapi_generator_cli

PACKAGE = "client_of_the_document"


def generate(document: Mapping[str, Any], directory: Path) -> Path:
    """The folder in which the package `client_of_the_document` lies, with its `docs` beside it."""
    source, made = directory / "openapi.json", directory / "made"
    source.write_text(json.dumps(document))
    subprocess.run(
        ["java", "-jar", _jar(), "generate", "-g", "python", "-i", source, "-o", made, "--package-name", PACKAGE],
        check=True,
        capture_output=True,
    )
    return made


def facts(documentation: str) -> dict[str, dict[str, Any]]:
    """What a `docs/…Api.md` says of each method, as data."""
    requests = dict(_requests(documentation))
    sections = re.split(r"^# \*\*(\w+)\*\*$", documentation, flags=re.MULTILINE)[1:]
    return {
        name: {"request": requests[name], **_described(text)}
        for name, text in zip(sections[::2], sections[1::2], strict=True)
    }


def _requests(documentation: str) -> Iterator[tuple[str, str]]:
    for row in re.finditer(r"^\[\*\*(\w+)\*\*\].*? \| \*\*([A-Z]+)\*\* (\S+) \|", documentation, re.MULTILINE):
        yield row[1], f"{row[2]} {row[3]}"


def _described(text: str) -> dict[str, Any]:
    parts = dict(re.findall(r"^### ([^\n]+)\n(.*?)(?=^### |\Z)", text, re.MULTILINE | re.DOTALL))
    headers = dict(re.findall(r"\*\*([\w-]+)\*\*: (.+)", parts["HTTP request headers"]))
    returns = re.search(r"\*\*(\w+)\*\*", parts["Return type"])
    return {
        "parameters": [
            {"name": name, "type": type_, "required": "[optional]" not in notes}
            for name, type_, notes in re.findall(
                r"^ \*\*(\w+)\*\* \| \[?\*\*(.+?)\*\*.*\| ([^|]*)$", parts.get("Parameters", ""), re.MULTILINE
            )
        ],
        "returns": returns[1] if returns else None,
        "authorization": re.findall(r"\[(\w+)\]", parts["Authorization"]),
        "sends": headers["Content-Type"],
        "accepts": headers["Accept"],
        "statuses": re.findall(r"^\*\*(\d+)\*\*", parts["HTTP response details"], re.MULTILINE),
    }


def _jar() -> Path:
    return Path(openapi_generator_cli.__file__).with_name("openapi-generator.jar")

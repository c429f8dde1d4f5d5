"""For whoever writes a manifest: `check` one, or begin a `new` one."""

from __future__ import annotations

import re
from pathlib import Path
from string import Template
from typing import get_args

from holdfast.catalog.index import MANIFEST, manifests
from holdfast.catalog.problems import ManifestError, Problem
from holdfast.catalog.reading import read
from holdfast.domain.manifest.connector import AuthType
from holdfast.errors import SettingsError

AUTH_TYPES: tuple[AuthType, ...] = get_args(AuthType)
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")

_HEAD = """\
# Every word is explained in docs/reference/manifest.md; `holdfast connectors check` tells what is wrong.
schema: 1
id: $id
name: $name
tag_line: What the service is, in one line
website: https://www.example.com/
docs: https://developer.example.com/

# What the service offers, by unified API. Resources may stay empty; list the operations you know.
unified_apis:
  crm:
    resources:
      contacts: [all, one]

"""

_KEY_SETTINGS = """\
# The fields of the connection's form. A password never leaves the vault.
settings:
  - {id: api_key, label: API key, type: password, required: true}

"""

_AUTH = {
    "oauth2": """\
auth:
  type: oauth2
  oauth:
    # How the client authenticates at the token endpoint: body, basic, query or none.
    client: {auth: basic}
    scopes: {default: [contacts.read]}
    authorize: {url: https://login.example.com/oauth/authorize}
    token: {url: https://login.example.com/oauth/token}
    # What becomes of a refresh token that was used: none, grace, strict or family. If nobody knows: strict.
    refresh: {rotation: strict}
    revoke: {url: https://login.example.com/oauth/revoke}

""",
    "apiKey": _KEY_SETTINGS + "auth: {type: apiKey}\n\n",
    "basic": _KEY_SETTINGS + "auth: {type: basic}\n\n",
    "custom": _KEY_SETTINGS + "auth: {type: custom}\n\n",
    "none": "auth: {type: none}\n\n",
}

_REQUEST = {
    "oauth2": '  auth: [{value: "Bearer {cred.access_token}"}]\n',
    "apiKey": '  auth: [{name: X-Api-Key, value: "{api_key}"}]\n',
    "basic": '  # user:password; either half may be a constant or empty.\n  auth: [{in: basic, value: "{api_key}:"}]\n',
    "custom": '  auth: [{value: "Token {api_key}"}]\n',
    "none": "",
}

_TAIL = """\

# A call that answers 200 if the credentials work and 401 if they do not.
verify:
  request: {path: /me}

# Say here, with `unverified`, which of the words above nobody has seen confirmed by the vendor.
verified:
  by: vendor documentation
  on: 2026-01-31
  unverified: [verify.request]
"""


def check(path: Path) -> list[Problem]:
    """Everything that is wrong with the manifest at `path`: a file, a connector's folder, or a folder of folders."""
    problems: list[Problem] = []
    for folder, file in _manifests_at(path):
        try:
            read(file, folder)
        except ManifestError as error:
            problems.extend(error.problems)
    return problems


def new(directory: Path, id: str, name: str, auth: AuthType) -> Path:
    """Writes a first manifest, which passes `check`, to a folder `id` in `directory`; gives its path.

    SettingsError if the id is not one, or if there is such a manifest already.
    """
    if not _ID.fullmatch(id):
        raise SettingsError(f"{id!r} is not a service id; use lower case letters, digits and hyphens.")
    file = directory / id / MANIFEST
    if file.exists():
        raise SettingsError(f"{file} is there already.")
    file.parent.mkdir(parents=True, exist_ok=True)
    text = _HEAD + _AUTH[auth] + "request:\n  base_url: https://api.example.com/v1\n" + _REQUEST[auth] + _TAIL
    file.write_text(Template(text).substitute(id=_quoted(id), name=_quoted(name)), encoding="utf-8")
    return file


def _manifests_at(path: Path) -> list[tuple[str, Path]]:
    if path.is_file():
        return [(path.resolve().parent.name, path)]
    if (path / MANIFEST).is_file():
        return [(path.resolve().name, path / MANIFEST)]
    found = [(folder, path / folder / MANIFEST) for folder, _ in manifests(path)] if path.is_dir() else []
    if not found:
        raise SettingsError(f"There is no {MANIFEST} at {path}.")
    return found


def _quoted(text: str) -> str:
    """`text` as a YAML scalar, quoted where it would be read as something else or would end early."""
    plain = re.fullmatch(r"[A-Za-z][A-Za-z0-9 ._-]*", text) and text.lower() not in ("true", "false", "null")
    return text if plain else "'" + text.replace("'", "''") + "'"

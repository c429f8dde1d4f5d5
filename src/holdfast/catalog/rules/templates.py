"""Rules of texts: each is what the vocabulary says that it stands for, and names only what will have a value."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from holdfast.catalog.problems import Finding, Place
from holdfast.catalog.rules.manifest import Manifest
from holdfast.domain.manifest import path, template
from holdfast.domain.manifest.connector import Connector

CREDENTIAL = {"access_token", "refresh_token", "client_id", "client_secret"}
REVOKED = {"token", "token_type_hint"}
SYSTEM = {"now", "now_ms", "uuid"}
TEMPLATES = ("template", "URL template", "template tree")
_FORMS: dict[str, Callable[[str], Any]] = {
    "template": template.parse,
    "URL template": template.parse,
    "path": path.steps,
    "regular expression": re.compile,
}


def texts_are_what_they_stand_for(manifest: Manifest) -> Iterator[Finding]:
    """Templates, paths and regular expressions can be read."""
    for place, kind, value in _flat(manifest):
        form = _FORMS.get(kind)
        try:
            if form:
                form(value)
        except (ValueError, re.error) as error:
            yield place, str(error)


def names_are_known(manifest: Manifest) -> Iterator[Finding]:
    """Every `{namespace.key}` will have a value where it stands."""
    for place, kind, value in _flat(manifest):
        for namespace, key in names(value) if kind in TEMPLATES else ():
            complaint = _complaint(manifest.connector, place, namespace, key)
            if complaint:
                yield place, complaint


def resources_have_their_values(manifest: Manifest) -> Iterator[Finding]:
    """A resource whose custom fields are listed has every `{resource.<key>}` that the call needs."""
    connector = manifest.connector
    for name, fields in connector.custom_fields.items():
        keys = {key for text in _texts_below(manifest, ("custom_fields", name)) for key in _resource_keys(text)}
        for resource in connector.resources if name == "*" else [name]:
            missing = keys - {"id"} - connector.resources.get(resource, {}).keys()
            if missing and connector.fields_of(resource) is fields:
                yield ("custom_fields", name), f"`resources` gives {resource!r} no {', '.join(sorted(missing))}"


def _complaint(connector: Connector, place: Place, namespace: str, key: str) -> str | None:
    """Why `{namespace.key}` has no value at `place`."""
    known = _known(connector, place)
    if namespace in ("token", "callback"):
        return f"nothing fills {{{namespace}.{key}}}; capture it into a setting and name that"
    if namespace not in known:
        return f"{{{namespace}.{key}}} has no value here"
    if key in known[namespace]:
        return None
    if namespace == "settings" and key in known["app"]:
        return f"{key!r} belongs to the integration; write {{app.{key}}}"
    options = ", ".join(sorted(known[namespace])) or "none"
    return f"there is no {{{namespace}.{key}}}; there is {options}"


def _known(connector: Connector, place: Place) -> Mapping[str, set[str]]:
    """The names that have a value at `place`, by namespace."""
    known = {
        "settings": {setting.id for setting in connector.at("connection")},
        "app": {setting.id for setting in connector.at("integration")},
        "sys": SYSTEM,
    }
    if connector.auth.oauth is not None:
        known["cred"] = CREDENTIAL | (REVOKED if place[:3] == ("auth", "oauth", "revoke") else set())
    if place[0] == "custom_fields":
        known["resource"] = {"id"}.union(*connector.resources.values())
    return known


def _flat(manifest: Manifest) -> Iterator[tuple[Place, str, str]]:
    """The texts of a manifest, those inside JSON bodies too."""
    for place, kind, value in manifest.texts:
        if kind != "template tree":
            yield place, kind, value
        else:
            yield from ((at, "template", text) for at, text in _leaves(value, place))


def _leaves(tree: Any, place: Place) -> Iterator[tuple[Place, str]]:
    if isinstance(tree, str):
        yield place, tree
    elif isinstance(tree, dict):
        for key, item in tree.items():
            yield from _leaves(item, (*place, key))
    elif isinstance(tree, list):
        for index, item in enumerate(tree):
            yield from _leaves(item, (*place, index))


def names(text: str) -> set[tuple[str, str]]:
    """What `text` names; nothing if it cannot be read, which is another rule's finding."""
    try:
        return template.names(text)
    except ValueError:
        return set()


def _texts_below(manifest: Manifest, place: Place) -> Iterator[str]:
    return (t for at, kind, t in _flat(manifest) if kind in TEMPLATES and at[: len(place)] == place)


def _resource_keys(text: str) -> set[str]:
    return {key for namespace, key in names(text) if namespace == "resource"}

"""Rules of the form: each field has one way to be filled, and what is secret is not shown."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from holdfast.catalog.problems import Finding, Place
from holdfast.catalog.rules.manifest import Manifest
from holdfast.catalog.vocabulary import words
from holdfast.domain.manifest.connector import AfterConnect, FilledBy, ResourceField, Setting

SELECTS = ("select", "filtered-select", "multi-select")
_SHOWN = re.compile(r"\{\{\s*([^{}]+?)\s*\}\}")


def ids_are_unique(manifest: Manifest) -> Iterator[Finding]:
    """Each setting has its own id, whatever its level."""
    counts = Counter(setting.id for _, setting in manifest.settings())
    for place, setting in manifest.settings():
        if counts[setting.id] > 1:
            yield (*place, "id"), f"there is more than one setting {setting.id!r}"


def choices_belong_to_selects(manifest: Manifest) -> Iterator[Finding]:
    """A select has choices, nothing else has, and a default is one of them."""
    fields: list[tuple[Place, Setting | ResourceField]] = [
        *words(manifest.connector, Setting),
        *words(manifest.connector, ResourceField),
    ]
    for place, field in fields:
        chooses = bool(field.options) or field.options_from is not None
        if chooses and field.type not in SELECTS:
            yield place, f"has options, but a field of type {field.type} offers none; make it a select"
        if not chooses and field.type in SELECTS and getattr(field, "filled_by", "user") == "user":
            yield place, "is a select without options; add `options` or `options_from`"
    for place, setting in manifest.settings():
        if setting.default is not None and setting.options and setting.default not in _values(setting):
            yield (*place, "default"), f"{setting.default!r} is not one of the options"


def everything_is_filled(manifest: Manifest) -> Iterator[Finding]:
    """Whoever has to give a value has a field to put it in, at the time when it is needed."""
    for place, setting in manifest.settings():
        if setting.hidden and setting.filled_by == "user" and setting.default is None and setting.required:
            yield place, "is hidden, so nobody can fill it in; show it, give it a default, or say who fills it"
        if setting.before_authorize and (setting.hidden or setting.filled_by != "user"):
            yield (*place, "before_authorize"), "only a field that the consumer can see can be filled in before"
        if setting.before_authorize and setting.options_from:
            yield (*place, "options_from"), "the choices come from the account, which is not connected before"
        if setting.level == "integration" and setting.filled_by != "user":
            yield (*place, "filled_by"), "a setting of the integration is filled in by the application"


def captures_fill_what_waits(manifest: Manifest) -> Iterator[Finding]:
    """Every capture goes into a setting that waits for it, and every setting that waits gets its capture."""
    captured = list(_captures(manifest))
    for place, id, by in captured:
        setting = manifest.connector.setting(id)
        if setting is None:
            yield place, f"there is no setting {id!r}"
        elif setting.filled_by != by:
            yield place, f"the setting {id!r} is filled by {setting.filled_by}; write `filled_by: {by}` there"
    known = {(id, by) for _, id, by in captured}
    for place, setting in manifest.settings():
        if setting.filled_by != "user" and (setting.id, setting.filled_by) not in known:
            yield (*place, "filled_by"), f"nothing is captured into {setting.id!r} by {setting.filled_by}"


def secrets_stay_secret(manifest: Manifest) -> Iterator[Finding]:
    """No secret stands in the manifest, and no description shows the value of one."""
    for place, setting in manifest.settings():
        if setting.sensitive and setting.default is not None:
            yield (*place, "default"), "a secret has no default"
    for text in manifest.of_kind("Markdown"):
        for id in _SHOWN.findall(text.value):
            shown = manifest.connector.setting(id)
            if shown is None:
                yield text.place, f"there is no setting {id!r} to show"
            elif shown.sensitive or shown.level == "integration":
                yield text.place, f"the value of {id!r} is not for every reader of this description"


def _captures(manifest: Manifest) -> Iterator[tuple[Place, str, FilledBy]]:
    """Every capture: its place, the setting it fills, and when it does."""
    for base, step in words(manifest.connector, AfterConnect):
        for id in step.capture:
            yield (*base, "capture", id), id, "after_connect"
    oauth = manifest.connector.auth.oauth
    if oauth is None:
        return
    for id in oauth.callback.capture:
        yield ("auth", "oauth", "callback", "capture", id), id, "callback"
    for id in oauth.token.response.capture:
        yield ("auth", "oauth", "token", "response", "capture", id), id, "token"


def _values(setting: Setting) -> set[str]:
    return {choice.value for choice in setting.choices}

"""The connection's form: what may be sent as settings, and what a set of settings must satisfy.

Values are kept by form field id. Merging is shallow: an id that is not sent keeps its value, `null` and the empty
string clear it, a mask stands for the secret that it masks, and ids that are no form field are kept as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from holdfast.domain.manifest.connector import Connector, Setting
from holdfast.domain.manifest.template import names, render_url
from holdfast.domain.masking import Masks
from holdfast.errors import ConnectionSettingsError, RequestValidationError

SETTINGS_LIMIT = 100
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# White space, and what copying from a page brings along and nobody sees.
_PASTED_ALONG = " \t\r\n\f\v\u00a0\u200b\u200c\u200d\u2060\ufeff"
# Stands in for values that are not known yet when a URL is checked ahead of its use.
_SAMPLE = {"access_token": "x", "refresh_token": "x", "token": "x", "id": "x"}


def merge(
    connector: Connector, stored: Mapping[str, Any], sent: Mapping[str, Any], masks: Masks, place: str
) -> dict[str, Any]:
    """`stored` with `sent` laid over it; `place` names the connection for its masks.

    Fields that only the provider fills keep their value: the form sends them back, it does not decide them.
    ConnectionSettingsError for a value that does not fit its field, RequestValidationError for too many.
    """
    merged = dict(stored)
    for id, value in sent.items():
        field = connector.setting(id)
        if field is not None and field.hidden and field.filled_by != "user":
            continue
        typed = _typed(field, value)
        masked = field is not None and field.sensitive and isinstance(typed, str)
        plain = masks.unmask(f"{place}\0{id}", typed, stored.get(id)) if masked else typed
        _set(merged, id, _checked(field, plain) if field else plain)
    return _bounded(merged)


def take(connector: Connector, stored: Mapping[str, Any], sent: Mapping[str, Any]) -> dict[str, Any]:
    """Like `merge`, for an import: every field may be given, and nothing is a mask."""
    merged = dict(stored)
    for id, value in sent.items():
        field = connector.setting(id)
        typed = _typed(field, value)
        _set(merged, id, _checked(field, typed) if field else typed)
    return _bounded(merged)


def pasted(value: Any) -> Any:
    """A text without what pasting put at its ends: no key, id or host begins or ends with white space, and a header
    could not carry it. Anything else is given back as it is."""
    return value.strip(_PASTED_ALONG) if isinstance(value, str) else value


def texts(connector: Connector, settings: Mapping[str, Any]) -> dict[str, str]:
    """The settings as templates read them: text, with the manifest's defaults where nothing is set."""
    found = {s.id: s.default for s in connector.settings if s.default}
    found |= {id: text for id, value in settings.items() if (text := _text(value))}
    return found


def check_urls(connector: Connector, settings: Mapping[str, Any], hosts: Iterable[str]) -> None:
    """Checks that every URL these settings lead to is one of the service's. ConnectionSettingsError if not.

    A URL is left out while a value that it needs is still missing. The same check is made again at each use.
    """
    values = {"settings": texts(connector, settings), "cred": _SAMPLE, "resource": _SAMPLE, "sys": _SAMPLE, "app": {}}
    hosts = tuple(hosts)
    for url in url_templates(connector):
        if all(key in values.get(namespace, {}) for namespace, key in names(url)):
            render_url(url, values, hosts)


def url_templates(connector: Connector) -> list[str]:
    """Every URL template of a manifest that requests of ours go to; the browser's authorize page is not one."""
    api, oauth = connector.request.base_url, connector.auth.oauth
    requests = [step.request for step in connector.after_connect]
    requests += [fields.request for fields in connector.custom_fields.values()]
    requests += [s.options_from.request for s in connector.settings if s.options_from]
    requests += [
        field.options_from.request
        for unified in connector.unified_apis.values()
        for form in unified.config.values()
        for field in form
        if field.options_from
    ]
    requests += [connector.verify.request] if connector.verify else []
    endpoints = [oauth.token.url, oauth.refresh.url, oauth.revoke.url if oauth.revoke else None] if oauth else []
    return [url for url in [api, *endpoints, *(r.url for r in requests)] if url]


def _typed(field: Setting | None, value: Any) -> Any:
    """What was meant by what was typed. In text of several lines, and in a password with white space inside of it,
    the ends may be meant as well."""
    if field is None or field.type == "textarea" or not isinstance(value, str):
        return value
    bare = pasted(value)
    return value if field.type == "password" and re.search(r"\s", bare) else bare


def _bounded(settings: dict[str, Any]) -> dict[str, Any]:
    if len(settings) > SETTINGS_LIMIT:
        raise RequestValidationError(f"A connection holds at most {SETTINGS_LIMIT} settings.")
    return settings


def _set(merged: dict[str, Any], id: str, value: Any) -> None:
    if value is None or value == "":
        merged.pop(id, None)
    else:
        merged[id] = value


def _checked(field: Setting, value: Any) -> Any:
    if value is None or value == "":
        return value
    if field.type == "multi-select":
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ConnectionSettingsError(f"The setting '{field.id}' is a list of texts.")
        return value
    if not isinstance(value, str | int | float | bool):
        raise ConnectionSettingsError(f"The setting '{field.id}' is a single value.")
    text = _text(value)
    if _CONTROL.search(text if field.type != "textarea" else re.sub(r"[\r\n\t]", "", text)):
        raise ConnectionSettingsError(f"The setting '{field.id}' holds a control character.")
    if field.pattern and not re.fullmatch(field.pattern, text):
        raise ConnectionSettingsError(f"The setting '{field.id}' does not have the expected form.")
    if field.choices and not field.options_from and text not in {choice.value for choice in field.choices}:
        raise ConnectionSettingsError(f"The setting '{field.id}' is not one of its options.")
    # Only a text has a mask.
    return text if field.sensitive else value


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(str(item) for item in value)
    return str(value) if isinstance(value, str | int | float) else ""

"""The connection's form: what may be sent as settings, and what a set of settings must satisfy.

Values are kept by form field id. Merging is shallow: an id that is not sent keeps its value, `null` and the empty
string clear it, a mask stands for the secret that it masks, and ids that are no form field are kept as they are.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from msgspec.structs import replace

from holdfast.domain.connection import Connection
from holdfast.domain.credential import Sealed, Secret
from holdfast.domain.manifest.connector import Connector, Setting
from holdfast.domain.manifest.template import Values, host_names, names, render_url
from holdfast.domain.manifest.urls import url_templates
from holdfast.domain.masking import Masks, is_mask, mask, unmask
from holdfast.errors import ConnectionSettingsError, RequestValidationError

SETTINGS_LIMIT = 100
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# White space, and what copying from a page brings along and nobody sees.
_PASTED_ALONG = " \t\r\n\f\v\u00a0\u200b\u200c\u200d\u2060\ufeff"
# Stands in for values that are not known yet when a URL is checked ahead of its use.
_SAMPLE = {"access_token": "x", "refresh_token": "x", "token": "x", "id": "x"}


def shown(setting: Setting, held: Connection) -> Any:
    """What may be told of a setting's value: the value, the mask of a secret, None where there is nothing."""
    if not setting.sensitive:
        return held.settings.get(setting.id)
    secret = held.secrets.get(setting.id)
    return mask(secret) if isinstance(secret, Sealed) and not held.unreadable_at else None


def merge(connector: Connector, stored: Connection, sent: Mapping[str, Any], masks: Masks) -> Connection:
    """`stored` with the settings `sent` laid over its own; `masks` tell a secret that is sent again.

    Fields that only the provider fills keep their value: the form sends them back, it does not decide them.
    ConnectionSettingsError for a value that does not fit its field, RequestValidationError for too many.
    """
    return take(connector, stored, {id: value for id, value in sent.items() if _may_be_sent(connector, id)}, masks)


def take(connector: Connector, stored: Connection, sent: Mapping[str, Any], masks: Masks) -> Connection:
    """Like `merge`, for an import: every field may be given."""
    if stored.unreadable_at:
        # What is kept of its secrets does not open; a form that is filled in anew takes their place.
        stored = replace(stored, secrets={}, unreadable_at=stored.unreadable_at if connector.auth.oauth else 0)
    settings, secrets = dict(stored.settings), dict(stored.secrets)
    for id, value in sent.items():
        field, offered = connector.setting(id), [option["value"] for option in stored.choices.get(id, ())]
        typed = _typed(field, value)
        if field is not None and field.sensitive:
            secret = _secret(field, typed, stored.secrets.get(id))
            _lay(secrets, id, stored.secrets[id] if _is_sent_again(masks, stored, id, secret) else secret)
            settings.pop(id, None)  # kept open by a manifest that did not know it for a secret yet
        else:
            _lay(settings, id, _checked(field, typed, offered) if field else typed)
    if len(settings) + len(secrets) > SETTINGS_LIMIT:
        raise RequestValidationError(f"A connection holds at most {SETTINGS_LIMIT} settings.")
    return replace(stored, settings=settings, secrets=secrets)


def pasted(value: Any) -> Any:
    """A text without what pasting put at its ends: no key, id or host begins or ends with white space, and a header
    could not carry it. Anything else is given back as it is."""
    return value.strip(_PASTED_ALONG) if isinstance(value, str) else value


def texts(connector: Connector, settings: Mapping[str, Any]) -> dict[str, str]:
    """The settings as templates read them: text, with the manifest's defaults where nothing is set."""
    found = {s.id: s.default for s in connector.settings if s.default}
    found |= {id: text for id, value in settings.items() if (text := _text(value))}
    return found


def check_urls(connector: Connector, connection: Connection, hosts: Iterable[str]) -> None:
    """Checks that every URL the settings lead to is one of the service's. ConnectionSettingsError if not.

    A URL is left out while a value that its host needs is still missing; one that its path needs is taken for any. The
    same check is made again at each use.
    """
    known = {**dict.fromkeys(connection.secrets, "x"), **texts(connector, connection.settings)}
    values = {"settings": known, "cred": _SAMPLE, "resource": _SAMPLE, "sys": _SAMPLE, "app": {}}
    hosts = tuple(hosts)
    for url in url_templates(connector, connector.request.base_url or ""):
        if all(key in values.get(namespace, {}) for namespace, key in host_names(url)):
            render_url(url, _supposed(values, names(url)), hosts)


def _supposed(values: Values, needed: Iterable[tuple[str, str]]) -> Values:
    """`values`, with something for those that are `needed` and missing."""
    missing = [(namespace, key) for namespace, key in needed if key not in values.get(namespace, {})]
    supposed = {namespace: {k: "x" for n, k in missing if n == namespace} for namespace, _ in missing}
    return {**values, **{namespace: {**values.get(namespace, {}), **given} for namespace, given in supposed.items()}}


def _may_be_sent(connector: Connector, id: str) -> bool:
    field = connector.setting(id)
    return field is None or not field.hidden or field.filled_by == "user"


def _typed(field: Setting | None, value: Any) -> Any:
    """What was meant by what was typed. In text of several lines, and in a password with white space inside of it,
    the ends may be meant as well."""
    if field is None or field.type == "textarea" or not isinstance(value, str):
        return value
    bare = pasted(value)
    return value if field.type == "password" and re.search(r"\s", bare) else bare


def _secret(field: Setting, value: Any, stored: Secret | Sealed | None) -> Secret | Sealed | None:
    if isinstance(value, str) and is_mask(value):
        return unmask(value, stored)
    checked = _checked(field, value, ())
    return Secret(_text(checked)) if checked not in (None, "") else None


def _is_sent_again(masks: Masks, stored: Connection, id: str, secret: Secret | Sealed | None) -> bool:
    return isinstance(secret, Secret) and stored.secrets.get(id) == masks.digest(stored.id, id, secret)


def _lay(values: dict[str, Any], id: str, value: Any) -> None:
    if value is None or value == "":
        values.pop(id, None)
    else:
        values[id] = value


def _checked(field: Setting, value: Any, offered: Collection[str]) -> Any:
    """`value`, if the field takes it. `offered` are the choices of the account; none before it is connected."""
    if value is None or value == "":
        return value
    if field.type == "multi-select":
        if not isinstance(value, list):
            raise ConnectionSettingsError(f"The setting '{field.id}' is a list of texts.")
        return [_checked_text(field, item, offered) for item in value]
    if not isinstance(value, str | int | float | bool):
        raise ConnectionSettingsError(f"The setting '{field.id}' is a single value.")
    text = _checked_text(field, _text(value), offered)
    return text if isinstance(value, str) else value


def _checked_text(field: Setting, text: Any, offered: Collection[str]) -> str:
    if not isinstance(text, str):
        raise ConnectionSettingsError(f"The setting '{field.id}' is a list of texts.")
    if _CONTROL.search(text if field.type != "textarea" else re.sub(r"[\r\n\t]", "", text)):
        raise ConnectionSettingsError(f"The setting '{field.id}' holds a control character.")
    if field.pattern and not re.fullmatch(field.pattern, text):
        raise ConnectionSettingsError(f"The setting '{field.id}' does not have the expected form.")
    offered = offered if field.options_from else {choice.value for choice in field.choices}
    if offered and text not in offered:
        raise ConnectionSettingsError(f"The setting '{field.id}' is not one of its options.")
    return text


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(str(item) for item in value)
    return str(value) if isinstance(value, str | int | float) else ""

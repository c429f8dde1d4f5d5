"""Templates in manifests: `{settings.shop}`, short form `{shop}`, filters `{account|host}`; no expressions.
`{{` and `}}` are literal braces, as in Python.

Owns how a value is escaped by where it stands. In a host it must be a host label; in a path or query it is
percent-encoded; in a header it may hold no control character; form and JSON bodies are built from structures,
never from text. A URL with an empty part is an error. So a setting can never change which host is called,
add a parameter or split a header.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urlsplit

from holdfast.errors import ConnectionSettingsError

Values = Mapping[str, Mapping[str, str]]

NAMESPACES = ("settings", "app", "cred", "token", "callback", "resource", "sys")
_PLACEHOLDER = re.compile(r"\{([a-z_]+\.)?([A-Za-z0-9_-]+)((?:\|[a-z0-9_]+(?::'[^']*')?)*)\}")
_TOKEN = re.compile(rf"\{{\{{|\}}\}}|{_PLACEHOLDER.pattern}")
_FILTER = re.compile(r"\|([a-z0-9_]+)(?::'([^']*)')?")
# ASCII, or IGNORECASE would let in U+017F and U+212A, which fold to s and k.
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE | re.ASCII)
_HOST = re.compile(
    r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(:\d{1,5})?", re.IGNORECASE | re.ASCII
)
_LABELS = re.compile(rf"{_LABEL.pattern}(\.{_LABEL.pattern})*", re.IGNORECASE | re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_DOTS = frozenset((".", ".."))


def _bare_label(value: str) -> str:
    return re.sub(r"^https?://", "", value.strip(), flags=re.IGNORECASE).partition("/")[0].partition(".")[0]


def _strip_scheme(value: str) -> str:
    return re.sub(r"^https?://", "", value.strip(), flags=re.IGNORECASE).rstrip("/")


FILTERS: dict[str, Callable[[str], str]] = {
    "lower": str.lower,
    "upper": str.upper,
    "host": lambda v: v.lower().replace("_", "-"),
    "base64": lambda v: base64.b64encode(v.encode()).decode(),
    "urlencode": lambda v: quote(v, safe=""),
    "strip_scheme": _strip_scheme,
    "bare_label": _bare_label,
}


class Placeholder:
    """One `{namespace.key|filter}`."""

    __slots__ = ("_default", "_filters", "key", "namespace")

    def __init__(self, match: re.Match[str]) -> None:
        self.namespace = (match[1] or "settings.").rstrip(".")
        self.key = match[2]
        found = _FILTER.findall(match[3])
        self._default = next((argument for name, argument in found if name == "default"), "")
        self._filters = [FILTERS[name] for name, _ in found if name != "default"]
        if self.namespace not in NAMESPACES:
            raise ValueError(f"unknown namespace {self.namespace!r}; one of {', '.join(NAMESPACES)}")

    def value(self, values: Values) -> str:
        """The value, filtered; empty when nothing gives one."""
        value = values.get(self.namespace, {}).get(self.key) or self._default
        for apply in self._filters:
            value = apply(value) if value else value
        return value


Part = str | Placeholder


def read(text: str) -> tuple[Part, ...]:
    """The literal and variable parts of `text`. ValueError if a brace does not make a placeholder."""
    parts: list[Part] = []
    end = 0
    for match in _TOKEN.finditer(text):
        parts.append(_literal(text[end : match.start()]))
        try:
            parts.append(Placeholder(match) if match[2] else match[0][0])
        except KeyError as unknown:
            raise ValueError(f"unknown filter {unknown} in {match[0]}; one of {', '.join(FILTERS)}, default") from None
        end = match.end()
    parts.append(_literal(text[end:]))
    return tuple(p for p in parts if p != "")


# Of manifests there are few; what a caller writes is read each time, or it would push them out.
parse = lru_cache(maxsize=4096)(read)


def names(text: str) -> set[tuple[str, str]]:
    """The (namespace, key) pairs that `text` needs."""
    return {(p.namespace, p.key) for p in parse(text) if isinstance(p, Placeholder)}


def render(text: str, values: Values) -> str:
    """`text` with its values put in as they are; empty if any value is missing (the entry is then dropped)."""
    out: list[str] = []
    for part in parse(text):
        value = part if isinstance(part, str) else part.value(values)
        if not value:
            return ""
        out.append(value)
    return "".join(out)


def render_header(text: str, values: Values) -> str:
    """Like `render`, for a header's value. ConnectionSettingsError on a control character (RFC 9110 section 5.5)."""
    value = render(text, values)
    if _CONTROL.search(value) or not value.isascii():
        raise ConnectionSettingsError("A value that belongs in a header holds a character that headers cannot carry.")
    return value


def render_tree(tree: Any, values: Values) -> Any:
    """A structure for a JSON or form body with every string rendered; members that come out empty are left out."""
    if isinstance(tree, str):
        return render(tree, values)
    if isinstance(tree, Mapping):
        rendered = {key: render_tree(value, values) for key, value in tree.items()}
        return {key: value for key, value in rendered.items() if value != ""}
    if isinstance(tree, list):
        return [render_tree(value, values) for value in tree]
    return tree


def render_url(text: str, values: Values, hosts: Iterable[str]) -> str:
    """An absolute URL whose host is one of `hosts` (patterns as in the manifest's `hosts`).

    Raises ConnectionSettingsError, naming the setting, when a part is empty or does not fit where it stands.
    """
    return url_of(parse(text), values, hosts)


def url_of(parts: tuple[Part, ...], values: Values, hosts: Iterable[str]) -> str:
    """As `render_url`, of a template that has been read."""
    authority, rest = _authority(parts, values)
    url = authority + "".join(_escaped(part, values) for part in rest)
    if _DOTS.intersection(urlsplit(url).path.split("/")):
        # RFC 3986 section 5.2.4: whoever reads the URL takes the segment before it away.
        raise ConnectionSettingsError("A setting that stands in a path is '.' or '..'.")
    if not host_matches(urlsplit(url).netloc, hosts):
        raise ConnectionSettingsError("The settings lead to a host that does not belong to this service.")
    return url


def host_names(text: str) -> set[tuple[str, str]]:
    """The (namespace, key) pairs that the host of a URL template needs."""
    parts = parse(text)
    if isinstance(parts[0], Placeholder):
        return {(parts[0].namespace, parts[0].key)}
    return names(re.split(r"[/?#]", text.partition("://")[2], maxsplit=1)[0])


def expand(pattern: str) -> list[str]:
    """`www.{a,b}.example` as the two hosts it stands for."""
    match = re.search(r"\{([^{}]*)\}", pattern)
    if not match:
        return [pattern]
    head, tail = pattern[: match.start()], pattern[match.end() :]
    return [host for choice in match[1].split(",") for host in expand(head + choice.strip() + tail)]


def host_matches(host: str, patterns: Iterable[str]) -> bool:
    """Whether `host` (with its port, if it has one) is named by a pattern; `*.` stands for one or more labels."""
    host = host.lower()
    return any(
        host == pattern or (pattern.startswith("*.") and host.endswith(pattern[1:]) and len(host) > len(pattern) - 1)
        for listed in patterns
        for pattern in expand(listed.lower())
    )


def host_pattern(text: str) -> str | None:
    """The host pattern that a URL template is bound to, or None if its whole host comes from a value.

    `https://{shop}.myshopify.com/admin` is bound to `*.myshopify.com`.
    """
    if not text.startswith(("https://", "http://")):
        return None
    authority = re.split(r"[/?#]", text.partition("://")[2], maxsplit=1)[0]
    if "{" not in authority:
        return authority
    suffix = authority.rpartition("}")[2]
    return "*" + suffix if suffix.startswith(".") and suffix.count(".") > 1 else None


def _literal(text: str) -> str:
    if "{" in text or "}" in text:
        raise ValueError(f"{text!r} has a brace that is not part of a placeholder")
    return text


def _authority(parts: tuple[Part, ...], values: Values) -> tuple[str, tuple[Part, ...]]:
    """Renders scheme and host; returns them and the parts that follow."""
    first = parts[0]
    if isinstance(first, Placeholder):
        return _origin(first, values), parts[1:]
    scheme, _, start = first.partition("://")
    out = scheme + "://"
    queue: list[Part] = [start, *parts[1:]]
    for index, part in enumerate(queue):
        if isinstance(part, Placeholder):
            out += _host_part(part, values, starts=out.endswith("://"), ends=_ends_host(queue[index + 1 :]))
            continue
        end = re.search(r"[/?#]", part)
        if end:
            return out + part[: end.start()], (part[end.start() :], *queue[index + 1 :])
        out += part
    return out, ()


def _ends_host(following: list[Part]) -> bool:
    return not following or (isinstance(following[0], str) and following[0][:1] in "/?#")


def _host_part(part: Placeholder, values: Values, *, starts: bool, ends: bool) -> str:
    """A label inside a host; what ends one may be several (`co.uk`), what is one may also have a port."""
    value = _needed(part, values)
    form = _HOST if starts and ends else _LABELS if ends else _LABEL
    if not form.fullmatch(value):
        raise ConnectionSettingsError(
            f"The setting '{part.key}' is not a valid {'host name' if ends else 'host label'}."
        )
    return value.lower()


def _origin(part: Placeholder, values: Values) -> str:
    """A setting that holds a whole base URL: scheme, host and at most a path."""
    value = _needed(part, values).rstrip("/")
    try:
        url = urlsplit(value)
        valid = url.scheme in ("https", "http") and bool(_HOST.fullmatch(url.netloc) or _is_loopback(url.netloc))
    except ValueError:
        valid = False
    if not valid or url.query or url.fragment or re.search(r"[\s\\?#@%]|/\.\.?(/|$)", value) or _CONTROL.search(value):
        raise ConnectionSettingsError(f"The setting '{part.key}' is not a plain https:// address.")
    return f"{url.scheme}://{url.netloc.lower()}{url.path}"


def _is_loopback(netloc: str) -> bool:
    return netloc.partition(":")[0] in ("127.0.0.1", "localhost")


def _needed(part: Placeholder, values: Values) -> str:
    value = part.value(values)
    if not value:
        raise ConnectionSettingsError(f"The setting '{part.key}' is required.")
    return value


def _escaped(part: Part, values: Values) -> str:
    return part if isinstance(part, str) else quote(_needed(part, values), safe="")

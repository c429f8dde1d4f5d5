"""Rules of the calls a manifest makes: https only, and only to hosts that no setting can choose freely."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from holdfast.catalog.problems import Finding
from holdfast.catalog.rules.manifest import Manifest
from holdfast.catalog.vocabulary import words
from holdfast.domain.manifest.connector import NextPage, RequestTemplate
from holdfast.domain.manifest.template import expand, host_pattern

LOOPBACK = ("127.0.0.1", "localhost")
_NAME = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_PATTERN = re.compile(rf"(\*\.)?{_NAME}(\.{_NAME})+(:\d{{1,5}})?")


def requests_are_whole(manifest: Manifest) -> Iterator[Finding]:
    """A request has one address and at most one body."""
    for place, request in words(manifest.connector, RequestTemplate):
        if (request.url is None) == (request.path is None):
            yield place, "needs either `url` or `path`"
        if request.path is not None and manifest.connector.request.base_url is None:
            yield (*place, "path"), "there is no `request.base_url` to append it to"
        if request.path and not request.path.startswith("/"):
            yield (*place, "path"), "starts with a slash"
        if request.json is not None and request.form is not None:
            yield (*place, "form"), "there is a `json` body already"
        if request.method == "GET" and (request.json is not None or request.form is not None):
            yield (*place, "method"), "a GET has no body; write `method: POST`"


def lists_go_on(manifest: Manifest) -> Iterator[Finding]:
    """Each way to the next page has the words that it needs, and no other."""
    for place, word in words(manifest.connector, NextPage):
        for name, value, takers in (
            ("path", word.path, ("cursor", "url")),
            ("param", word.param, ("cursor", "offset", "page")),
            ("size", word.size, ("offset", "page")),
        ):
            if value is None and word.by in takers:
                yield (*place, name), f"is required for `by: {word.by}`"
            elif value is not None and word.by not in takers:
                yield (*place, name), f"means nothing for `by: {word.by}`"
        if word.first != 1 and word.by != "page":
            yield (*place, "first"), f"means nothing for `by: {word.by}`"


def dead_tokens_are_told(manifest: Manifest) -> Iterator[Finding]:
    """Codes of a dead token stand somewhere in the answer."""
    word = manifest.connector.request.expired
    if (word.path is None) != (not word.codes):
        yield ("request", "expired"), "`path` and `codes` go together: where the error stands, and what it is then"


def urls_are_https(manifest: Manifest) -> Iterator[Finding]:
    """No credential travels in the clear; a manifest of one's own may speak http to this machine."""
    for text in manifest.of_kind("URL template", "address"):
        if text.value.startswith("http://"):
            if manifest.shipped or urlsplit(text.value).hostname not in LOOPBACK:
                yield text.place, "write https://; http:// is for 127.0.0.1 and localhost only"
        elif not text.value.startswith(("https://", "{")):
            yield text.place, "an absolute address starts with https:// or with a setting that holds one"


def urls_are_bound(manifest: Manifest) -> Iterator[Finding]:
    """A host that a value decides is bound by a fixed ending or by `hosts`."""
    for text in manifest.of_kind("URL template"):
        bound = host_pattern(text.value)
        if bound is None and not manifest.connector.hosts:
            yield text.place, "a value decides this host: list the hosts it may be in `hosts`"
        elif bound is not None and not _is_pattern(bound, manifest.shipped):
            yield text.place, f"{bound!r} is not a host name"


def hosts_are_narrow(manifest: Manifest) -> Iterator[Finding]:
    """A host pattern names a service: `*.` stands before at least two labels."""
    for text in manifest.of_kind("host pattern"):
        if not all(_is_pattern(host.lower(), manifest.shipped) for host in expand(text.value)):
            yield text.place, f"{text.value!r} is not a host such as api.example.com or *.example.com"


def _is_pattern(host: str, shipped: bool) -> bool:
    return bool(_PATTERN.fullmatch(host)) or (not shipped and host.partition(":")[0] in LOOPBACK)

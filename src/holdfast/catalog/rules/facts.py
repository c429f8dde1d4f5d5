"""Rules of words about words: what nobody has confirmed, and which URLs carry a secret."""

from __future__ import annotations

from collections.abc import Iterator

from holdfast.catalog.problems import Finding, Place
from holdfast.catalog.rules.manifest import Manifest
from holdfast.catalog.rules.templates import names
from holdfast.catalog.vocabulary import dotted, place_of
from holdfast.domain.manifest.connector import Connector

SECRET_CREDENTIALS = ("access_token", "refresh_token", "client_secret", "token")


def unverified_words_exist(manifest: Manifest) -> Iterator[Finding]:
    """`unverified` and `secrets_in_url` name words that this manifest uses."""
    for text in manifest.of_kind("word"):
        if place_of(manifest.document, text.value) is None:
            yield text.place, f"this manifest says nothing at {text.value!r}"


def secrets_in_urls_are_declared(manifest: Manifest) -> Iterator[Finding]:
    """A URL that carries a secret says so, because it ends up in logs that are not ours; and only such a URL does."""
    carrying = list(_carrying(manifest))
    declared = manifest.connector.secrets_in_url
    for place in carrying:
        word = dotted(manifest.document, place)
        if not any(word == path or word.startswith(f"{path}.") for path in declared):
            yield place, f"puts a secret in a URL; if the vendor takes it nowhere else, add {word} to `secrets_in_url`"
    words = [dotted(manifest.document, place) for place in carrying]
    for index, path in enumerate(declared):
        if not any(word == path or word.startswith(f"{path}.") for word in words):
            yield ("secrets_in_url", index), f"no URL at {path!r} carries a secret"


def _carrying(manifest: Manifest) -> Iterator[Place]:
    """The places whose value puts a secret in a URL."""
    connector = manifest.connector
    for place, kind, value in manifest.texts:
        if kind in ("template", "URL template") and _is_in_url(connector, place) and _names_secret(connector, value):
            yield place
    oauth = connector.auth.oauth
    if oauth and (oauth.client.auth == "query" or oauth.token.body == "query"):
        yield ("auth", "oauth", "token", "body")
    if oauth and oauth.revoke and oauth.revoke.body == "query":
        yield ("auth", "oauth", "revoke", "body")


def _is_in_url(connector: Connector, place: Place) -> bool:
    """Whether the text at `place` becomes part of a URL."""
    if place[:2] == ("request", "auth") and isinstance(place[2], int):
        return connector.request.auth[place[2]].where == "query"
    return place[-1] in ("url", "path", "base_url") or "query" in place or place[:3] == ("auth", "oauth", "authorize")


def _names_secret(connector: Connector, text: str) -> bool:
    return any(_is_secret(connector, namespace, key) for namespace, key in names(text))


def _is_secret(connector: Connector, namespace: str, key: str) -> bool:
    if namespace == "cred":
        return key in SECRET_CREDENTIALS
    setting = connector.setting(key)
    return namespace in ("settings", "app") and setting is not None and setting.sensitive

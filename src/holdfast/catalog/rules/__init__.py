"""What a manifest must satisfy beyond its words' types.

A rule is a function of a `Manifest` that yields findings: the place of a word, and what is wrong with it in words
that tell the reader what to write instead. Rules know nothing of files and lines. To add one: the function, and
its name in `RULES`.

- `settings`   the form: ids, choices, who fills what, what a description may show
- `oauth`      the grant: what each kind of credential needs
- `requests`   URLs, hosts and bodies of the calls that the manifest makes
- `templates`  every text by its kind: templates, paths, settings, patterns
- `facts`      words about words: what is unverified, which URLs carry a secret
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from holdfast.catalog.problems import Finding
from holdfast.catalog.rules import facts, oauth, requests, settings, templates
from holdfast.catalog.rules.manifest import Manifest

__all__ = ["RULES", "Manifest"]

RULES: tuple[Callable[[Manifest], Iterator[Finding]], ...] = (
    settings.ids_are_unique,
    settings.choices_belong_to_selects,
    settings.everything_is_filled,
    settings.captures_fill_what_waits,
    settings.secrets_stay_secret,
    oauth.credential_has_its_words,
    oauth.grant_has_its_endpoints,
    oauth.client_has_its_settings,
    oauth.client_has_its_password,
    oauth.consent_page_has_its_values,
    oauth.rotation_has_its_grace,
    requests.requests_are_whole,
    requests.lists_go_on,
    requests.dead_tokens_are_told,
    requests.urls_are_https,
    requests.urls_are_bound,
    requests.hosts_are_narrow,
    templates.texts_are_what_they_stand_for,
    templates.names_are_known,
    templates.resources_have_their_values,
    facts.unverified_words_exist,
    facts.secrets_in_urls_are_declared,
)

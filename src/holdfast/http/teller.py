"""Tells connections: brings together what is known of one, the links that it carries, and how the API spells it."""

from __future__ import annotations

from holdfast.domain.tenancy import ConsumerScope, Scope
from holdfast.http.wire.configuration import ResourceForm, resource_items
from holdfast.http.wire.connection import Connection
from holdfast.http.wire.told import Template
from holdfast.usecases.links import NO_URLS, Links
from holdfast.usecases.subject import Subject
from holdfast.usecases.vault import Vault


class Teller:
    """Tells the connections of one application instance, and keeps for it what its connectors say.

    There is one template for each connector and unified API that was ever asked for: as many as the catalogue has.
    """

    def __init__(self, vault: Vault) -> None:
        self._clock = vault.clock
        self._links = Links(vault)
        self._templates: dict[tuple[str, str], Template] = {}

    def connection(self, scope: Scope, subject: Subject) -> Connection:
        """How `subject` is told to the caller of `scope`; without a consumer there is nobody to give links to."""
        urls = self._links.of(scope, subject) if isinstance(scope, ConsumerScope) else NO_URLS
        return self._template(subject).told(subject, urls, self._clock.now())

    def resource_settings(
        self, scope: ConsumerScope, subject: Subject, resource: str, form: ResourceForm
    ) -> Connection:
        """The connection with the form of one resource in the place of its configuration."""
        items = resource_items(subject.connection, resource, form)
        return self._template(subject).told(subject, self._links.of(scope, subject), self._clock.now(), items)

    def _template(self, subject: Subject) -> Template:
        named = (subject.unified_api, subject.connector.id)
        if named not in self._templates:
            self._templates[named] = Template(subject.unified_api, subject.connector)
        return self._templates[named]

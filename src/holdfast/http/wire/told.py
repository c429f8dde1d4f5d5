"""A connection as the bytes of its JSON.

Most of what is told of a connection is what its connector says: the same for every consumer, and each time. A
`Template` encodes that once; an answer is then a few joined pieces and one small struct.
"""

from __future__ import annotations

from typing import cast

import msgspec
from msgspec import UNSET, UnsetType

from holdfast.domain.connection import Connection as Held
from holdfast.domain.connection import health, integration_state, state
from holdfast.domain.manifest.connector import Connector
from holdfast.http.wire.configuration import ConfigurationItem, configuration
from holdfast.http.wire.connection import Connection, Varying
from holdfast.http.wire.form import Field
from holdfast.http.wire.words import auth_type, grant_type, status
from holdfast.usecases.links import Urls
from holdfast.usecases.subject import Subject

_encode = msgspec.json.Encoder().encode
_WRITTEN_ANEW = {*Varying.__struct_fields__, "form_fields"}


class Template:
    """What one connector says under one unified API, encoded."""

    __slots__ = ("_constant", "_fields", "_hidden", "_untouched")

    def __init__(self, unified_api: str, connector: Connector) -> None:
        self._constant = _encode(_constant(unified_api, connector))[:-1]
        self._fields = [Field(s) for s in connector.at("connection")]
        self._untouched = b",".join([field.blank for field in self._fields])
        self._hidden = frozenset(s.id for s in connector.settings if s.sensitive)

    def told(
        self, subject: Subject, urls: Urls, now: int, items: list[ConfigurationItem] | UnsetType = UNSET
    ) -> Connection:
        """How `subject` is told at `now` (ms), with links that others made.

        `items` stand in the place of its configuration. The answer stands for a `Connection`: it is the JSON of one,
        which msgspec writes into whatever it is a member of.
        """
        held, connector = subject.connection, subject.connector
        varying = Varying(
            state=state(held, connector, now),
            integration_state=integration_state(subject.integration, connector),
            enabled=held is not None and held.enabled,
            authorize_url=urls.authorize,
            revoke_url=urls.revoke,
            configuration=items,
            consent_state="implicit",
        )
        if held is not None:
            self._tell_record(varying, held, connector, now)
        joined = b'%b,"form_fields":[%b],%b' % (self._constant, self._form(held), _encode(varying)[1:])
        return cast(Connection, msgspec.Raw(joined))

    def _form(self, held: Held | None) -> bytes:
        if held is None or not (held.settings or held.secrets or held.choices):
            return self._untouched
        return b",".join([field.of(held) for field in self._fields])

    def _tell_record(self, told: Varying, held: Held, connector: Connector, now: int) -> None:
        """The members that exist only when the consumer has added the connection."""
        told.health = health(held, connector, now)
        told.settings = {id: value for id, value in held.settings.items() if id not in self._hidden}
        told.metadata = dict(held.metadata)
        told.consent_state = held.consent_state
        told.credentials_expire_at = held.retained_until
        told.last_refresh_failed_at = held.last_refresh_failed_at
        told.last_downstream_error_at = held.last_downstream_error_at
        told.created_at = held.created_at
        told.updated_at = held.updated_at
        if told.configuration is UNSET:
            told.configuration = configuration(held)


def _constant(unified_api: str, connector: Connector) -> dict[str, object]:
    """The members that are the same for every consumer."""
    oauth, configurable = connector.auth.oauth, list(connector.unified_apis[unified_api].config)
    told = Connection(
        id=f"{unified_api}+{connector.id}",
        service_id=connector.id,
        name=connector.name,
        tag_line=connector.tag_line or UNSET,
        unified_api=unified_api,
        auth_type=auth_type(connector.auth.type),
        oauth_grant_type=grant_type(oauth.grant) if oauth else UNSET,
        status=status(connector.status),
        website=connector.website,
        configurable_resources=configurable,
        resource_schema_support=[],
        resource_settings_support=configurable,
        validation_support=connector.verify is not None and oauth is None,
        schema_support=False,
        settings_required_for_authorization=[s.id for s in connector.at("connection") if s.before_authorize],
        subscriptions=[],
        has_guide=False,
        custom_mappings=[],
        # Written anew in each answer:
        form_fields=[],
        state="available",
        integration_state="configured",
        enabled=False,
        authorize_url=None,
        revoke_url=None,
    )
    members = msgspec.to_builtins(told)
    return {name: value for name, value in members.items() if name not in _WRITTEN_ANEW}

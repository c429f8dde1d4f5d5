"""What the members of bodies and answers mean, in the words of `/openapi.json` and `/docs`.

The names are those of the structs in `holdfast.http`; a member of a new struct gets its sentence here.
"""

from __future__ import annotations

Texts = dict[str, str]

_OPTIONS = "What a select offers."
_TARGET = "`resource` for a field of the unified API, `custom_fields` for one of the service's own."
_ID = "The connection's id: `{unified_api}+{service_id}`."
_SCOPES = "OAuth scopes to ask the consumer for; null asks for the connector's own."
_KEY_SCOPES = "What the key may do: `connections`, `sessions`, `proxy`, `credentials:read`."
_KEY_BOUNDS = "Where the key reaches; everywhere unless given. Taking entries away, the last one too, never widens it."
_CONFIRMATION = (
    "Whether the product confirms who came back: `auto` on Holdfast's own page, `always` on every page, `off` nowhere."
)
_REDIRECT_URIS = "Where browsers may return to after an authorization, compared as text; the first is the default."
_ENABLED = "Whether the integration is offered to consumers."

# Members that mean the same wherever they stand.
EVERYWHERE: Texts = {
    "status_code": "The HTTP status; 201 here for what was created, although HTTP answers 200.",
    "status": "`OK`.",
    "data": "What was asked for.",
    "service_id": "The connector's id.",
    "unified_api": "The unified API, such as `crm`.",
    "application_id": "The application's id.",
    "created_at": "Milliseconds since the epoch.",
    "metadata": "Anything the product wants to keep here. Merged by key; `{}` changes nothing, null clears.",
    "settings": 'Values by the id of their form field. Null or `""` clears one; a masked secret sent back stays.',
    "expires_in": "Seconds from `issued_at` until the access token expires.",
    "options": _OPTIONS,
    "target": _TARGET,
    "resource": "The resource, in the plural.",
    "defaults": "Values for records of this resource that bring none of their own.",
    "enabled": _ENABLED,
}

TEXTS: dict[str, Texts] = {
    "ErrorBody": {
        "status_code": "The HTTP status.",
        "error": "The status in words.",
        "type_name": "What kind of error it is, such as `RequestValidationError`.",
        "message": "The kind of error as a sentence.",
        "detail": 'What is wrong: a text, or an object such as `{"missing": [{"state": "required"}]}`.',
        "ref": "Where the kind of error is explained.",
    },
    "Connection": {
        "id": _ID,
        "name": "The service's name.",
        "tag_line": "The service in a few words.",
        "status": "Whether the connector is `live`, `upcoming` or `requested`.",
        "enabled": "Whether the connection may be used.",
        "website": "The service's own page.",
        "icon": "A square image.",
        "logo": "An image with the service's name.",
        "authorize_url": (
            "Opened in the consumer's browser, with a `redirect_uri` added, it starts an authorization. Null where "
            "there is nothing to authorize or a setting has to be filled in first."
        ),
        "revoke_url": "The same to end the grant; null where there is none.",
        "form_fields": "What the consumer fills in, with the values that are stored.",
        "configuration": (
            "Defaults by resource. In the settings of one resource each item is also a field of the resource's form."
        ),
        "configurable_resources": "Resources that have settings.",
        "resource_schema_support": "Resources whose schema can be asked for.",
        "resource_settings_support": "Resources that have settings.",
        "validation_support": "Whether new settings are tried at the service; refused ones make the state `invalid`.",
        "schema_support": "Whether schemas can be asked for.",
        "settings_required_for_authorization": "Form fields that have to be filled in before authorizing.",
        "subscriptions": "Subscriptions to the service's own events.",
        "has_guide": "Whether there is a setup guide for consumers.",
        "custom_mappings": "Fields of the product that the consumer has mapped.",
        "consent_state": "`implicit`: nobody has to be asked.",
        "credentials_expire_at": (
            "When credentials that the service no longer renews are given up: milliseconds since the epoch, or 0."
        ),
        "last_refresh_failed_at": "The last failed renewal: milliseconds since the epoch, or 0.",
        "last_downstream_error_at": "When the service last could not be reached: milliseconds since the epoch, or 0.",
        "created_at": "Milliseconds since the epoch; missing until the consumer adds the connection.",
        "updated_at": "Milliseconds since the epoch; null until the first change.",
    },
    "FormField": {
        "id": "The setting that the field fills in.",
        "label": "What stands beside the field.",
        "value": 'What is stored; `""` for nothing, a mask for a secret.',
        "placeholder": "An example, shown in the empty field.",
        "description": "Help in Markdown.",
        "type": "How it is filled in; a `text` that is sensitive is a password.",
        "required": "Whether the connection needs it.",
        "custom_field": "Whether it is one of the service's custom fields.",
        "allow_custom_values": "Whether a select takes values that it does not offer.",
        "disabled": "Shown, and not to be changed now.",
        "hidden": "Kept, and not shown.",
        "deprecated": "Kept, and no longer asked for.",
        "sensitive": "A secret: its value leaves the vault only as a mask.",
        "prefix": "Stands before the field.",
        "suffix": "Stands after the field.",
    },
    "FormFieldOption": {
        "label": "What the consumer sees.",
        "value": "What is stored.",
        "option_type": "`simple`.",
    },
    "ConfigurationItem": {
        "id": "The field.",
        "label": "What stands beside the field.",
        "type": "How it is filled in.",
        "value": "The stored default.",
        "required": "Whether the service needs it.",
        "placeholder": "An example, shown in the empty field.",
        "description": "Help in Markdown.",
    },
    "ConfigurationDefault": {"id": "The field.", "value": "Its default."},
    "ConnectionImportData": {"credentials": "OAuth tokens; for other connectors the credentials are settings."},
    "ImportCredentials": {
        "refresh_token": "The refresh token.",
        "access_token": "The access token.",
        "issued_at": "When the access token was issued (RFC 3339). Unknown: it is renewed before its first use.",
    },
    "CustomFieldFinder": {
        "id": "The service's id of the field.",
        "name": "The service's name of the field.",
        "description": "What the service says of the field.",
        "finder": "The JSONPath (RFC 9535) that finds its value in a record.",
    },
    "ConfirmInput": {"confirm_token": "The token from the fragment of the redirect."},
    "Confirmed": {"confirmed": "True."},
    "CallbackStateInput": {"redirect_uri": "A registered redirect URI; the application's default unless given."},
    "CallbackStateValue": {"state": "To be sent to the provider as `state`; good once."},
    "ValidatedState": {"id": _ID},
    "ApplicationInput": {
        "name": "The product's name.",
        "redirect_uris": _REDIRECT_URIS,
        "confirmation": _CONFIRMATION,
    },
    "ApplicationChange": {
        "name": "The product's name.",
        "redirect_uris": _REDIRECT_URIS,
        "confirmation": _CONFIRMATION,
    },
    "ApplicationData": {
        "name": "The product's name.",
        "redirect_uris": _REDIRECT_URIS,
        "confirmation": _CONFIRMATION,
    },
    "CreatedApplication": {"api_key": "Its first API key; shown here once."},
    "KeyInput": {"scopes": _KEY_SCOPES, "bounds": _KEY_BOUNDS},
    "KeyBounds": {
        "consumers": "Ids of the consumers that it reaches; all of them unless given.",
        "services": "The services that it reaches, such as `crm+acme-crm`; all of them unless given.",
        "connections": "The connections that it reaches; all of them unless given.",
    },
    "KeyData": {
        "id": "The key's id.",
        "scopes": _KEY_SCOPES,
        "last_four": "How the key ends.",
        "bounds": _KEY_BOUNDS,
        "api_key": "The key itself, in the answer that makes it and nowhere else.",
    },
    "IntegrationInput": {
        "client_id": "The application's OAuth client at the provider.",
        "client_secret": "Its secret, which leaves the vault only for the provider.",
        "scopes": _SCOPES,
        "settings": "Values of the connector's settings that the application fills in; null clears one.",
    },
    "IntegrationData": {
        "client_id": "The application's OAuth client at the provider.",
        "has_client_secret": "Whether its secret is set.",
        "scopes": _SCOPES,
        "settings_set": "Settings of the connector that are filled in.",
        "redirect_uri": "What to register at the provider as the client's redirect URI.",
    },
}

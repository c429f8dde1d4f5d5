# mypy: disable-error-code="empty-body"
"""The Connections API, one declaration for each operation; `openapi_client.operation` supplies what they do.

The order of arguments differs from method to method. That is the API's document, and programs rely on it.
"""

from __future__ import annotations

from typing import Unpack

from openapi_client.api_client import ApiClient
from openapi_client.models import (
    Connection,
    ConnectionImportData,
    CreateConnectionResponse,
    GetConnectionResponse,
    GetConnectionsResponse,
    GetCustomFieldsResponse,
    UnexpectedErrorResponse,
    UpdateConnectionResponse,
)
from openapi_client.operation import Options, RedirectOptions, operation, with_http_info

CONNECTION = "/vault/connections/{unified_api}/{service_id}"
RESOURCE = CONNECTION + "/{resource}"


class ConnectionsApi:
    """A consumer's connections.

    `x_apideck_consumer_id` is your customer, `x_apideck_app_id` your application, `unified_api` and `service_id`
    the connection, such as crm and pipedrive, `resource` a plural such as leads. Every method also takes the
    keywords of `openapi_client.operation.Options`, has a twin `…_with_http_info` that returns an
    `ApiResponse`, and raises `ApiException` when the call failed, `ApiTypeError` or `ApiValueError` when an
    argument cannot be sent.
    """

    def __init__(self, api_client: ApiClient | None = None) -> None:
        self.api_client = api_client or ApiClient()

    @operation("GET", RESOURCE + "/config")
    def connection_settings_all(
        self,
        x_apideck_consumer_id: str,
        x_apideck_app_id: str,
        unified_api: str,
        service_id: str,
        resource: str,
        **options: Unpack[Options],
    ) -> GetConnectionResponse:
        """The connection, its `configuration` being the form for this resource's defaults."""

    @operation("PATCH", RESOURCE + "/config")
    def connection_settings_update(
        self,
        x_apideck_consumer_id: str,
        x_apideck_app_id: str,
        service_id: str,
        unified_api: str,
        resource: str,
        connection: Connection,
        **options: Unpack[Options],
    ) -> UpdateConnectionResponse:
        """Set a resource's defaults: `configuration` of `connection` names it and holds them."""

    @operation("POST", CONNECTION)
    def connections_add(
        self,
        x_apideck_consumer_id: str,
        x_apideck_app_id: str,
        service_id: str,
        unified_api: str,
        connection: Connection,
        **options: Unpack[Options],
    ) -> CreateConnectionResponse:
        """Add a connection. An API key or a password goes into `settings`; OAuth is authorized afterwards."""

    @operation("GET", "/vault/connections")
    def connections_all(
        self,
        x_apideck_consumer_id: str,
        x_apideck_app_id: str,
        api: str | None = None,
        configured: bool | None = None,
        **options: Unpack[Options],
    ) -> GetConnectionsResponse:
        """Every service the consumer may connect, added or not.

        `api` keeps one unified API; `configured` those that were added, or with False the others.
        """

    @operation("GET", "/vault/authorize/{service_id}/{application_id}", keyed=False)
    def connections_authorize(
        self,
        service_id: str,
        application_id: str,
        state: str,
        redirect_uri: str,
        scope: list[str] | None = None,
        **options: Unpack[RedirectOptions],
    ) -> UnexpectedErrorResponse | None:
        """Open an authorize link as the consumer's browser would: None at the end of the redirects.

        `state` is in the `authorize_url` of a connection; `redirect_uri` is where the consumer shall return to,
        `scope` those of the integration's OAuth scopes to ask for. Where it ended is the `url` of the
        `…_with_http_info` twin, a refusal its `error_type`; with `_follow_redirects=False`, the service's consent
        page is its Location header.
        """

    @operation("GET", "/vault/callback", keyed=False)
    def connections_callback(
        self, state: str, code: str, **options: Unpack[RedirectOptions]
    ) -> UnexpectedErrorResponse | None:
        """Bring back the `code` that a service gave for the flow `state` (RFC 6749 section 4.1.2).

        The vault ties a flow to the browser that began it: pass the cookie it set as `ApiClient(cookie=…)`.
        """

    @operation("DELETE", CONNECTION)
    def connections_delete(
        self,
        x_apideck_consumer_id: str,
        x_apideck_app_id: str,
        service_id: str,
        unified_api: str,
        **options: Unpack[Options],
    ) -> None:
        """Delete a connection with its credentials and settings."""

    @operation("POST", CONNECTION + "/import")
    def connections_import(
        self,
        x_apideck_consumer_id: str,
        x_apideck_app_id: str,
        service_id: str,
        unified_api: str,
        connection_import_data: ConnectionImportData,
        **options: Unpack[Options],
    ) -> CreateConnectionResponse:
        """Take over a connection that was authorized elsewhere, in place of one that is there."""

    @operation("GET", CONNECTION)
    def connections_one(
        self,
        x_apideck_consumer_id: str,
        x_apideck_app_id: str,
        service_id: str,
        unified_api: str,
        **options: Unpack[Options],
    ) -> GetConnectionResponse:
        """One connection; `available` if it was not added yet."""

    @operation("GET", "/vault/revoke/{service_id}/{application_id}", keyed=False)
    def connections_revoke(
        self, service_id: str, application_id: str, state: str, redirect_uri: str, **options: Unpack[RedirectOptions]
    ) -> UnexpectedErrorResponse | None:
        """Open a revoke link as the consumer's browser would; `state` is in the `revoke_url` of a connection."""

    @operation("POST", CONNECTION + "/token")
    def connections_token(
        self,
        x_apideck_consumer_id: str,
        x_apideck_app_id: str,
        service_id: str,
        unified_api: str,
        body: object | None = None,
        **options: Unpack[Options],
    ) -> GetConnectionResponse:
        """Get and store an access token for the stored client credentials or password (RFC 6749 sections 4.3, 4.4).

        The token is not in the answer. `body` is nothing or empty.
        """

    @operation("PATCH", CONNECTION)
    def connections_update(
        self,
        x_apideck_consumer_id: str,
        x_apideck_app_id: str,
        service_id: str,
        unified_api: str,
        connection: Connection,
        **options: Unpack[Options],
    ) -> UpdateConnectionResponse:
        """Change the members of `connection` that were set; None clears. Adds the connection if it is not there."""

    @operation("GET", RESOURCE + "/custom-fields")
    def custom_fields_all(
        self,
        x_apideck_consumer_id: str,
        x_apideck_app_id: str,
        unified_api: str,
        service_id: str,
        resource: str,
        **options: Unpack[Options],
    ) -> GetCustomFieldsResponse:
        """The fields the service's customer has defined on a resource."""

    connection_settings_all_with_http_info = with_http_info(connection_settings_all)
    connection_settings_update_with_http_info = with_http_info(connection_settings_update)
    connections_add_with_http_info = with_http_info(connections_add)
    connections_all_with_http_info = with_http_info(connections_all)
    connections_authorize_with_http_info = with_http_info(connections_authorize)
    connections_callback_with_http_info = with_http_info(connections_callback)
    connections_delete_with_http_info = with_http_info(connections_delete)
    connections_import_with_http_info = with_http_info(connections_import)
    connections_one_with_http_info = with_http_info(connections_one)
    connections_revoke_with_http_info = with_http_info(connections_revoke)
    connections_token_with_http_info = with_http_info(connections_token)
    connections_update_with_http_info = with_http_info(connections_update)
    custom_fields_all_with_http_info = with_http_info(custom_fields_all)

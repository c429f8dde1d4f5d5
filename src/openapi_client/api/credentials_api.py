# mypy: disable-error-code="empty-body"
"""The credentials of connections, for programs that call services themselves. Needs a key with `credentials:read`."""

from __future__ import annotations

from typing import Unpack

from openapi_client.api.connections_api import CONNECTION
from openapi_client.api_client import ApiClient
from openapi_client.models import GetCredentialResponse
from openapi_client.operation import Options, operation, with_http_info


class CredentialsApi:
    """What services are called with. `openapi_client.CredentialCache` spares most of the calls.

    Arguments and exceptions are those of `ConnectionsApi`.
    """

    def __init__(self, api_client: ApiClient | None = None) -> None:
        self.api_client = api_client or ApiClient()

    @operation("GET", CONNECTION + "/credentials")
    def credentials_one(
        self,
        x_apideck_consumer_id: str,
        x_apideck_app_id: str,
        service_id: str,
        unified_api: str,
        min_valid_seconds: int | None = None,
        if_none_match: str | None = None,
        **options: Unpack[Options],
    ) -> GetCredentialResponse:
        """The connection's credential, good now: an access token for OAuth, else address, headers and query.

        `min_valid_seconds` is how long a token shall live on; it is refreshed ahead for that. `if_none_match` is the
        ETag of the credential that you have: if that still counts, an `ApiException` of status 304 says so.
        """

    credentials_one_with_http_info = with_http_info(credentials_one)

"""The API's operations, one class for each of its sections."""

from openapi_client.api.connections_api import ConnectionsApi
from openapi_client.api.credentials_api import CredentialsApi
from openapi_client.api.proxy_api import ProxyApi

__all__ = ["ConnectionsApi", "CredentialsApi", "ProxyApi"]

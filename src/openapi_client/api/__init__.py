"""The API's operations, one class for each of its sections."""

from openapi_client.api.connections_api import ConnectionsApi

__all__ = ["ConnectionsApi"]

"""A Python client of the vault's Connections API, and of what else programs ask of the vault.

    configuration = openapi_client.Configuration(host="http://127.0.0.1:8000", api_key={"apiKey": key})
    with openapi_client.ApiClient(configuration) as api_client:
        connections = openapi_client.ConnectionsApi(api_client)
        print(connections.connections_one(consumer_id, application_id, "pipedrive", "crm").data.state)

Package, class, method and argument names are those of the client that openapi-generator makes from the API's
document, so that programs written for one run with the other. It needs msgspec and urllib3 and nothing of the vault.

    models       what is sent and received        model       what all of them can do
    api          the operations, declared         operation   how a declaration becomes a request
    api_client   key and headers, answers         rest        the network
    credential_cache   credentials that are read once and used often
"""

from openapi_client import exceptions, models
from openapi_client.api.connections_api import ConnectionsApi
from openapi_client.api.credentials_api import CredentialsApi
from openapi_client.api.proxy_api import ProxyAnswer, ProxyApi
from openapi_client.api_client import ApiClient
from openapi_client.api_response import ApiResponse
from openapi_client.configuration import Configuration
from openapi_client.credential_cache import CredentialCache
from openapi_client.exceptions import *  # noqa: F403 - every exception is public here
from openapi_client.models import *  # noqa: F403 - and every model

__all__ = [
    "ApiClient", "ApiResponse", "Configuration", "ConnectionsApi", "CredentialCache", "CredentialsApi", "ProxyAnswer",
    "ProxyApi",
]  # fmt: skip
__all__ += exceptions.__all__
__all__ += models.__all__

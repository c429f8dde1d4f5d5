"""What the vault takes and gives, as models. A model is declared in the module of what it belongs to."""

from __future__ import annotations

import re
import sys

from openapi_client.models.connection import (
    AuthType,
    Connection,
    ConnectionConfigurationInner,
    ConnectionConfigurationInnerDefaultsInner,
    ConnectionHealth,
    ConnectionState,
    ConsentRecord,
    ConsentState,
    DataScopes,
    IntegrationState,
    OAuthGrantType,
    WebhookSubscription,
)
from openapi_client.models.connection_import_data import ConnectionImportData, ConnectionImportDataCredentials
from openapi_client.models.create_connection_response import CreateConnectionResponse
from openapi_client.models.credential import Credential
from openapi_client.models.custom_field_finder import CustomFieldFinder, CustomMapping
from openapi_client.models.form_field import FormField, FormFieldOption
from openapi_client.models.get_connection_response import GetConnectionResponse
from openapi_client.models.get_connections_response import GetConnectionsResponse
from openapi_client.models.get_credential_response import GetCredentialResponse
from openapi_client.models.get_custom_fields_response import GetCustomFieldsResponse
from openapi_client.models.unexpected_error_response import (
    BadRequestResponse,
    ConflictResponse,
    NotFoundResponse,
    PaymentRequiredResponse,
    UnauthorizedResponse,
    UnexpectedErrorResponse,
    UnprocessableResponse,
)
from openapi_client.models.update_connection_response import UpdateConnectionResponse

__all__ = [
    "AuthType",
    "BadRequestResponse",
    "ConflictResponse",
    "Connection",
    "ConnectionConfigurationInner",
    "ConnectionConfigurationInnerDefaultsInner",
    "ConnectionHealth",
    "ConnectionImportData",
    "ConnectionImportDataCredentials",
    "ConnectionState",
    "ConsentRecord",
    "ConsentState",
    "CreateConnectionResponse",
    "Credential",
    "CustomFieldFinder",
    "CustomMapping",
    "DataScopes",
    "FormField",
    "FormFieldOption",
    "GetConnectionResponse",
    "GetConnectionsResponse",
    "GetCredentialResponse",
    "GetCustomFieldsResponse",
    "IntegrationState",
    "NotFoundResponse",
    "OAuthGrantType",
    "PaymentRequiredResponse",
    "UnauthorizedResponse",
    "UnexpectedErrorResponse",
    "UnprocessableResponse",
    "UpdateConnectionResponse",
    "WebhookSubscription",
]

# Programs written for a generated client import a model from a module of its own name, connection_state say. For a
# model that is declared beside another, that name leads to the module it is declared in.
for _name in __all__:
    _module = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=.)(?=[A-Z][a-z])", "_", _name).lower()
    sys.modules.setdefault(f"{__name__}.{_module}", sys.modules[globals()[_name].__module__])

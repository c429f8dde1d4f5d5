"""The operator's side: applications, their keys and integrations, for the management API and the command line alike.

- `applications`  the products that use this vault
- `api_keys`      what they authenticate with, and where each key reaches
- `deletion`      what ends with an application, and its end
- `expiring`      connections that end soon
- `integrations`  the connectors that they offer, each with the application's own OAuth client
- `nodes`         those that died in the middle of a refresh
- `policies`      what their proxy lets through
- `scope`         the operator's scope, and how a change is made without losing somebody else's

A change is a struct: UNSET is not given and stays, None clears. What is told is a struct too (`…Data`), the same for
HTTP and `--json`, and has no secret in it.
"""

from holdfast.usecases.manage.api_keys import BoundConnection, KeyBounds, KeyData, create_key, delete_key, every_key
from holdfast.usecases.manage.applications import (
    ApplicationChange,
    ApplicationData,
    CreatedApplication,
    check_redirect_uris,
    create_application,
    every_application,
    one_application,
    update_application,
)
from holdfast.usecases.manage.deletion import EndingData, delete_application, endings
from holdfast.usecases.manage.expiring import ExpiringData, expiring_connections
from holdfast.usecases.manage.integrations import (
    IntegrationChange,
    IntegrationData,
    delete_integration,
    every_integration,
    one_integration,
    put_integration,
)
from holdfast.usecases.manage.nodes import NodeData, forget_node, silent_nodes
from holdfast.usecases.manage.policies import PolicyData, RuleData, change_policy, policy, replace_policy
from holdfast.usecases.manage.scope import operator

__all__ = [
    "ApplicationChange",
    "ApplicationData",
    "BoundConnection",
    "CreatedApplication",
    "EndingData",
    "ExpiringData",
    "IntegrationChange",
    "IntegrationData",
    "KeyBounds",
    "KeyData",
    "NodeData",
    "PolicyData",
    "RuleData",
    "change_policy",
    "check_redirect_uris",
    "create_application",
    "create_key",
    "delete_application",
    "delete_integration",
    "delete_key",
    "endings",
    "every_application",
    "every_integration",
    "every_key",
    "expiring_connections",
    "forget_node",
    "one_application",
    "one_integration",
    "operator",
    "policy",
    "put_integration",
    "replace_policy",
    "silent_nodes",
    "update_application",
]

"""The client that is generated from `/openapi.json` has the methods that programs for the Connections API call."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from generated_client import facts

# Of each method of the API's documented Python client: what it is called with, what it returns, and the statuses.
EXPECTED: dict[str, Any] = json.loads(Path(__file__).with_name("operations.json").read_text("utf-8"))

MODELS = (
    "AuthType", "BadRequestResponse", "Connection", "ConnectionConfigurationInner",
    "ConnectionConfigurationInnerDefaultsInner", "ConnectionImportData", "ConnectionImportDataCredentials",
    "ConnectionState", "CreateConnectionResponse", "CustomFieldFinder", "FormField", "FormFieldOption",
    "GetConnectionResponse", "GetConnectionsResponse", "GetCustomFieldsResponse", "IntegrationState",
    "NotFoundResponse", "OAuthGrantType", "PaymentRequiredResponse", "UnauthorizedResponse",
    "UnexpectedErrorResponse", "UnprocessableResponse", "UpdateConnectionResponse",
)  # fmt: skip


@pytest.fixture(scope="session")
def methods(generated: Path) -> dict[str, Any]:
    return facts((generated / "docs" / "ConnectionsApi.md").read_text("utf-8"))


def test_there_are_these_thirteen_methods(methods: dict[str, Any]) -> None:
    """No operation is missing, and none of ours has slipped in among them."""
    assert len(EXPECTED) == 13
    assert methods.keys() == EXPECTED.keys()


@pytest.mark.parametrize("name", EXPECTED)
def test_a_method_is_called_as_it_always_was(methods: dict[str, Any], name: str) -> None:
    """Same parameters in the same order, of the same types; what is new comes after them and is optional."""
    known = EXPECTED[name]["parameters"]
    first, new = methods[name]["parameters"][: len(known)], methods[name]["parameters"][len(known) :]

    assert first == known
    assert not [parameter for parameter in new if parameter["required"]]


@pytest.mark.parametrize("fact", ["request", "returns", "authorization", "sends", "accepts", "statuses"])
@pytest.mark.parametrize("name", EXPECTED)
def test_a_method_does_what_it_always_did(methods: dict[str, Any], name: str, fact: str) -> None:
    """Same request and authorization, same content types, same answer with the same documented statuses."""
    assert methods[name][fact] == EXPECTED[name][fact]


def test_other_operations_have_pages_of_their_own(generated: Path) -> None:
    """What is not part of the Connections API is documented beside it, under tags of its own."""
    pages = {page.name for page in (generated / "docs").glob("*Api.md")}

    assert pages == {"ConnectionsApi.md", "CredentialsApi.md", "ProxyApi.md", "VaultApi.md", "ManagementApi.md"}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_has_the_name_it_always_had(generated: Path, name: str) -> None:
    """Programs import these classes; a schema that the API leaves unnamed gets the name that the generator gives it."""
    assert (generated / "docs" / f"{name}.md").exists()

"""PyPI apideck-unify, only pointed at the vault, as a program; `tests/node/lines.mjs` tells what it reads and says."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import apideck_unify
import httpx
from apideck_unify import models
from apideck_unify.vault import Vault

CALLS: dict[str, Callable[[Vault, dict[str, Any]], Any]] = {
    "list": lambda vault, given: (
        vault.connections.list(
            api=given.get("unified_api"), configured=given.get("configured")
        ).get_connections_response
    ),
    "get": lambda vault, given: vault.connections.get(**given).get_connection_response,
    "update": lambda vault, given: vault.connections.update(**_spread(given)).update_connection_response,
    "delete": lambda vault, given: vault.connections.delete(**given).unexpected_error_response,
    "import": lambda vault, given: vault.connections.imports(**_spread(given)).create_connection_response,
    "token": lambda vault, given: vault.connections.token(**given).get_connection_response,
    "validate": lambda vault, given: vault.validate_connection.state(**given).validate_connection_state_response,
    "settings": lambda vault, given: vault.connection_settings.list(**given).get_connection_response,
    "update_settings": lambda vault, given: (
        vault.connection_settings.update(**_spread(given)).update_connection_response
    ),
    "custom_fields": lambda vault, given: vault.custom_fields.list(**given).get_custom_fields_response,
}


def outcome(client: dict[str, Any], call: str, given: dict[str, Any]) -> dict[str, Any]:
    """What the call gave: the data of a typed answer, None where there is nothing to answer, or the error."""
    with _connected(**client) as apideck:
        try:
            answered = CALLS[call](apideck.vault, given)
        except models.ApideckError as error:
            return _failed(error, error.status_code)
        except httpx.HTTPError as error:
            return _failed(error, None)
    return {"data": answered and answered.model_dump(mode="json")["data"]}


def _connected(
    url: str, key: str, application: str, consumer: str, patience: int, retries: bool
) -> apideck_unify.Apideck:
    """Unless it is told otherwise, it tries again for a quarter of an hour."""
    own = {} if retries else {"retry_config": None}
    return apideck_unify.Apideck(
        server_url=url, api_key=key, app_id=application, consumer_id=consumer, timeout_ms=patience, **own
    )


def _spread(given: dict[str, Any]) -> dict[str, Any]:
    """This client takes the members of a connection one by one."""
    connection = given.pop("connection")
    return {**given, **connection}


def _failed(error: Exception, status: int | None) -> dict[str, Any]:
    return {"error": {"type": type(error).__name__, "status": status, "message": str(error)}}


if __name__ == "__main__":
    for line in sys.stdin:
        sys.stdout.write(json.dumps(outcome(**json.loads(line))) + "\n")
        sys.stdout.flush()

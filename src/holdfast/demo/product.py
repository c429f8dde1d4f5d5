"""The backend of a product, as far as it deals with the vault: three headers and JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from holdfast.domain.exchange import Request, Send


class Unexpected(Exception):
    """Something is not as it should be; the text says what."""


@dataclass(slots=True)
class Product:
    """A product with an application of its own at the vault."""

    url: str
    send: Send
    application_id: str = ""
    api_key: str = field(default="", repr=False)

    async def manage(self, method: str, path: str, body: Any, admin_token: str) -> Any:
        """The `data` of a call of the management API."""
        return await self._call(method, f"/manage{path}", body, {"Authorization": f"Bearer {admin_token}"})

    async def ask(self, method: str, path: str, consumer: str, body: Any = None) -> Any:
        """The `data` of a call on behalf of one of its customers."""
        headers = {
            "Authorization": f"Bearer {self.api_key}",
            "x-apideck-app-id": self.application_id,
            "x-apideck-consumer-id": consumer,
        }
        return await self._call(method, path, body, headers)

    async def through(self, service_id: str, url: str, consumer: str) -> Any:
        """What a service answers to a GET through the proxy."""
        headers = {
            "Authorization": f"Bearer {self.api_key}",
            "x-apideck-app-id": self.application_id,
            "x-apideck-consumer-id": consumer,
            "x-apideck-service-id": service_id,
            "x-apideck-downstream-url": url,
        }
        response = await self.send(Request("GET", f"{self.url}/proxy", headers))
        if response.status != 200:
            raise Unexpected(f"GET /proxy answered {response.status}")
        return response.document()

    async def _call(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Any:
        content = None if body is None else json.dumps(body).encode()
        sent = headers | ({"Content-Type": "application/json"} if content else {})
        response = await self.send(Request(method, f"{self.url}{path}", sent, content))
        answer = response.document()
        if response.status != 200 or not isinstance(answer, dict):
            said = f"{answer['message']}: {answer['detail']}" if isinstance(answer, dict) else "no JSON"
            raise Unexpected(f"{method} {path} answered {response.status}. {said}")
        return answer["data"]

"""What an account fills in and offers, whichever way it was connected: by a form, by an import, by a consent."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest
from accounts import open_account
from nodes import Deploy
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from work import until

from holdfast.testing.harness import Deployment

LISTS = "acme-lists"
PATH = f"/vault/connections/crm/{LISTS}"
AUTH = {
    "apiKey": "{type: apiKey}",
    "basic": "{type: basic}",
    "custom": "{type: custom}",
}
PLACED = {
    "apiKey": '[{value: "Bearer {api_key}"}]',
    "basic": '[{in: basic, value: "{api_key}:"}]',
    "custom": '[{name: X-Key, value: "{api_key}"}]',
}
MANIFEST = """
schema: 1
id: acme-lists
name: Acme Lists
website: https://www.acme-lists.example
unified_apis:
  crm: {{resources: {{leads: [all]}}}}
settings:
  - {{id: api_key, label: API key, type: password, required: true}}
  - id: list_id
    label: List
    type: select
    required: true
    options_from: {{request: {{path: /lists}}, items: $.lists, value: id, label: name}}
  - id: tags
    label: Tags
    type: multi-select
    options_from: {{request: {{path: /tags}}, items: $.tags, value: id, label: name}}
  - {{id: region, label: Region, required: true, hidden: true, filled_by: after_connect}}
auth: {auth}
request:
  base_url: https://api.acme-lists.example
  auth: {placed}
verify:
  request: {{path: /me}}
after_connect:
  - request: {{path: /me}}
    capture: {{region: $.region}}
custom_fields:
  leads:
    request: {{path: /fields}}
    items: $.fields
    map: {{id: id}}
verified: {{by: nobody, "on": "2026-11-25"}}
"""


class Lists:
    """The service: accounts by their key, with the lists that each has. `away` answers nothing but 503."""

    def __init__(self) -> None:
        self.accounts = {"k-1": ["a", "b"], "k-2": ["c"]}
        self.asked: list[str] = []
        self.away = False
        self.held: dict[str, asyncio.Event] = {}

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        response = await self._answer(Request(scope))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        self.asked.append(request.url.path)
        key = _key(request)
        if self.away:
            return Response(status_code=503)
        if key not in self.accounts:
            return Response(status_code=401)
        lists = [{"id": id, "name": id.upper()} for id in self.accounts[key]]
        if request.url.path in self.held:
            await self.held[request.url.path].wait()
        tags = [{"id": tag, "name": tag} for tag in ("red", "green", "blue")]
        return JSONResponse({"lists": lists, "tags": tags, "region": f"of-{key}", "fields": []})


def _key(request: Request) -> str:
    sent = request.headers.get("authorization", "") or request.headers.get("x-key", "")
    kind, _, value = sent.rpartition(" ")
    return base64.b64decode(value).decode().rstrip(":") if kind == "Basic" else value


@pytest.fixture(params=list(AUTH))
async def opened(request: pytest.FixtureRequest, deploy: Deploy, tmp_path: Path) -> Any:
    """A vault with the connector, which takes its key in one of three ways, and the service behind it."""
    file = tmp_path / "connectors" / LISTS / "connector.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(MANIFEST.format(auth=AUTH[request.param], placed=PLACED[request.param]))
    async with deploy() as vault:
        path = f"/applications/{vault.application_id}/integrations/crm/{LISTS}"
        assert (await vault.manage("PUT", path, json={})).status == 200
        service = Lists()
        vault.network.apps["api.acme-lists.example"] = service.app
        yield vault, service


def field(connection: Any, id: str) -> Any:
    return next(field for field in connection["form_fields"] if field["id"] == id)


def offered(connection: Any, id: str) -> list[str]:
    return [option["value"] for option in field(connection, id)["options"]]


async def fill_in(vault: Deployment, way: str, **settings: Any) -> Any:
    """Sends the form as a consumer does, or imports it."""
    if way == "form":
        return await vault.patch(PATH, json={"enabled": True, "settings": settings})
    return await vault.post(f"{PATH}/import", json={"settings": settings})


@pytest.mark.parametrize("way", ["form", "import"])
async def test_a_key_brings_the_choices_of_its_account(opened: tuple[Deployment, Lists], way: str) -> None:
    """Authorized until one is made, callable then; what the service fills in is there as well."""
    vault, _ = opened

    typed = (await fill_in(vault, way, api_key="k-1")).data
    chosen = (await fill_in(vault, "form", list_id="b")).data

    assert (typed["state"], typed["health"]) == ("authorized", "missing_settings")
    assert (offered(typed, "list_id"), field(typed, "list_id")["disabled"]) == (["a", "b"], False)
    assert (typed["settings"]["region"], offered(typed, "tags")) == ("of-k-1", ["red", "green", "blue"])
    assert (chosen["state"], chosen["settings"]["list_id"]) == ("callable", "b")


@pytest.mark.parametrize("way", ["form", "import"])
async def test_a_choice_that_the_account_does_not_have_is_refused(opened: tuple[Deployment, Lists], way: str) -> None:
    """Known before, it is 422; sent together with the key, it is not kept."""
    vault, _ = opened

    together = (await fill_in(vault, way, api_key="k-1", list_id="c", tags=["red", "gold"])).data
    later = await fill_in(vault, way, list_id="c")
    several = await fill_in(vault, way, tags=["gold"])

    assert (together["state"], together["settings"]) == ("authorized", {"region": "of-k-1", "tags": ["red"]})
    assert {(reply.status, reply.body["type_name"]) for reply in (later, several)} == {(422, "ConnectionSettingsError")}


async def test_several_choices_are_kept_as_a_list(opened: tuple[Deployment, Lists]) -> None:
    """And survive that the account's choices are read again."""
    vault, _ = opened
    await fill_in(vault, "form", api_key="k-1", list_id="a")

    await fill_in(vault, "form", tags=["blue", "red"])
    await fill_in(vault, "form", list_id="b")

    settings = (await vault.connection(LISTS))["settings"]
    assert settings == {"region": "of-k-1", "list_id": "b", "tags": ["blue", "red"]}


async def test_another_key_brings_the_choices_of_another_account(opened: tuple[Deployment, Lists]) -> None:
    """What was chosen of the first account is undone; the only list of the second one is chosen."""
    vault, _ = opened
    await fill_in(vault, "form", api_key="k-1", list_id="a")

    told = (await fill_in(vault, "form", api_key="k-2")).data

    assert (told["state"], told["settings"]["list_id"], told["settings"]["region"]) == ("callable", "c", "of-k-2")


async def test_a_wrong_key_is_told_though_a_choice_is_missing(opened: tuple[Deployment, Lists]) -> None:
    """It is tried at once, and brings no choices."""
    vault, _ = opened

    told = (await fill_in(vault, "form", api_key="k-wrong")).data

    assert (told["state"], offered(told, "list_id")) == ("invalid", [])


@pytest.mark.parametrize("way", ["form", "import"])
async def test_what_could_not_be_asked_is_asked_when_the_connection_is_tried(
    opened: tuple[Deployment, Lists], way: str
) -> None:
    """A service that was away when the key was given leaves nobody stuck."""
    vault, service = opened
    service.away = True
    before = (await fill_in(vault, way, api_key="k-1")).data
    service.away = False

    reply = await vault.post(f"{PATH}/validate")

    assert (offered(before, "list_id"), reply.data["state"]) == ([], "authorized")
    assert offered(await vault.connection(LISTS), "list_id") == ["a", "b"]


async def test_choices_of_a_key_that_was_replaced_meanwhile_are_not_kept(opened: tuple[Deployment, Lists]) -> None:
    """The list of the first account comes late, when the second account has been connected."""
    vault, service = opened
    service.held["/lists"] = asyncio.Event()
    first = asyncio.create_task(fill_in(vault, "form", api_key="k-1"))
    await until(lambda: "/lists" in service.asked)
    late = service.held.pop("/lists")

    await fill_in(vault, "form", api_key="k-2")
    late.set()
    await first

    told = await vault.connection(LISTS)
    assert (offered(told, "list_id"), told["settings"]["list_id"]) == (["c"], "c")


async def test_an_imported_grant_brings_the_choices_of_its_account(vault: Deployment) -> None:
    """As one that a browser brought: the import of a token is a first connection."""
    slack = await open_account(vault, "slack", "team-messaging")

    told = (await slack.take_over()).data

    assert (told["state"], field(told, "channel")["disabled"]) in (("authorized", False), ("callable", False))
    assert offered(told, "channel")

"""Every connector's whole flow, in the real vault, against a provider that is built from the same manifest.

The shipped connectors, and beside them the services in `services`, whose ways no shipped connector has.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from secrets import token_hex
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from holdfast.catalog import Catalog
from holdfast.domain.credential import Secret
from holdfast.domain.manifest.connector import Connector, CustomFields, OAuth, ResourceField
from holdfast.domain.manifest.template import expand, render
from holdfast.domain.tenancy import Caller, ConsumerScope
from holdfast.grants.call import Verdict, verify
from holdfast.testing.from_manifest import CHOICE, FIELD, FIELD_NAME, Example, example, provider_for
from holdfast.testing.harness import PUBLIC_URL, RETURN_TO, Deployment, Reply, deployment
from holdfast.testing.provider import Received, SandboxProvider
from holdfast.usecases import connections, manage
from holdfast.usecases.credential.use import VALIDATE, call

pytestmark = pytest.mark.asyncio(loop_scope="module")

SERVICES = Path(__file__).parent / "services"
CATALOG = Catalog.load(SERVICES)
# Here the consent page knows client and redirect URI by names that only the vendor's own register resolves.
ELSEWHERE = {"amazon-seller-central", "ebay"}
CONNECTORS = [connector for connector in CATALOG.all() if connector.id not in ELSEWHERE]
DAY = 86_400


@dataclass(slots=True)
class Account:
    """A consumer's account at a service, and the vault that it is connected to."""

    connector: Connector
    example: Example
    provider: SandboxProvider
    vault: Deployment
    answers: list[tuple[str, int]]

    @property
    def unified_api(self) -> str:
        return next(iter(self.connector.unified_apis))

    @property
    def path(self) -> str:
        return f"/vault/connections/{self.unified_api}/{self.connector.id}"

    @property
    def oauth(self) -> OAuth:
        assert self.connector.auth.oauth is not None
        return self.connector.auth.oauth

    async def state(self) -> str:
        return str((await self.vault.get(self.path)).data["state"])

    async def type_in(self, **changes: str) -> Reply:
        """Fills in the form, as far as a person can before the account is connected."""
        typed = {
            s.id: self.example.settings[s.id]
            for s in self.connector.at("connection")
            if s.filled_by == "user" and not s.hidden and not s.options_from
        }
        return await self.vault.patch(self.path, json={"settings": {**typed, **changes}})

    async def connect(self) -> None:
        """Goes the way of the connector's kind until the credential is there."""
        await self.type_in()
        if self.connector.auth.type != "oauth2":
            return
        if self.oauth.grant != "authorization_code":
            assert (await self.vault.post(f"{self.path}/token")).status == 200
            return
        url = await self.vault.authorize_url(self.connector.id, self.unified_api)
        page = await (await self.vault.browser().visit(url, initiator=RETURN_TO)).allow()
        assert "error_type" not in page.query, page.query

    async def choose(self) -> None:
        """Picks the first choice of each select that the account itself has filled."""
        offered = [s for s in self.connector.settings if s.options_from]
        fields = {f["id"]: f for f in (await self.vault.get(self.path)).data["form_fields"]}
        assert all(fields[s.id]["options"][0]["value"] == CHOICE for s in offered)
        if offered:
            await self.vault.patch(self.path, json={"settings": {s.id: CHOICE for s in offered}})

    async def verdict(self) -> Verdict:
        """What the manifest's own verification says of the connection's credential."""
        scope = ConsumerScope(self.vault.application_id, Caller.own("test"), self.vault.consumer)
        about = await connections.one(scope, self.vault.vault, self.unified_api, self.connector.id)
        return await call(scope, self.vault.vault, about, VALIDATE, verify)

    def asked(self, endpoint: str) -> list[Received]:
        return [request for request in self.provider.received if request.endpoint.partition(":")[0] == endpoint]

    def refused(self) -> list[tuple[str, int]]:
        return [answer for answer in self.answers if answer[1] >= 400]


AccountOf = Callable[..., Awaitable[Account]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def vault(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Deployment]:
    """One vault for all services, as in a product; each test has a consumer of its own."""
    directory = tmp_path_factory.mktemp("vault")
    shutil.copytree(SERVICES, directory / "connectors")
    async with deployment(directory) as vault:
        yield vault


@pytest.fixture
def account_of(vault: Deployment) -> AccountOf:
    """An account at a service, not connected yet, in a vault that can reach the service."""

    async def account_of(connector: Connector, *, error_status: int | None = None) -> Account:
        account = example(connector, files("holdfast") / "connectors" / connector.id)
        vault.consumer = token_hex(8)
        answers: list[tuple[str, int]] = []
        provider = provider_for(
            connector,
            account,
            clock=vault.clock,
            redirect_uri=await _set_up(vault, connector, account),
            error_status=error_status,
            on_answer=lambda request, status: answers.append((request.endpoint, status)),
        )
        vault.network.apps = dict.fromkeys(_hosts(connector, account), provider.app)
        return Account(connector, account, provider, vault, answers)

    return account_of


async def _set_up(vault: Deployment, connector: Connector, account: Example) -> str:
    """Switches the integration on, as an operator does; gives the redirect URI to register at the provider."""
    secret = account.client.client_secret
    given = manage.IntegrationChange(
        client_id=account.client.client_id,
        client_secret=Secret(secret) if secret else None,
        settings={id: Secret(value) for id, value in account.app.items()},
    )
    unified_api = next(iter(connector.unified_apis))
    made = await manage.put_integration(vault.vault, vault.application_id, unified_api, connector.id, given)
    return made.redirect_uri or ""


def _hosts(connector: Connector, account: Example) -> list[str]:
    """Where the service answers: the hosts that the vault may call, and the consent page's."""
    oauth = connector.auth.oauth
    patterns = CATALOG.allowed_hosts(connector)
    consent = render(oauth.authorize.url, account.values(0)) if oauth and oauth.authorize else ""
    return [host for pattern in patterns for host in expand(pattern)] + [urlsplit(consent).netloc] * bool(consent)


def _named(connectors: list[Connector]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("connector", connectors, ids=lambda connector: connector.id)


def _with(kept: Callable[[Connector], bool]) -> pytest.MarkDecorator:
    return _named([connector for connector in CONNECTORS if kept(connector)])


def _expires(connector: Connector) -> bool:
    oauth = connector.auth.oauth
    return oauth is not None and oauth.token.response.expires is not None


def _is_signed(connector: Connector) -> bool:
    return connector.auth.oauth is not None and connector.auth.oauth.callback.hook is not None


def _is_refreshed(connector: Connector) -> bool:
    oauth = connector.auth.oauth
    return _expires(connector) and oauth is not None and oauth.grant == "authorization_code"


def _is_revoked(connector: Connector) -> bool:
    oauth = connector.auth.oauth
    return oauth is not None and oauth.revoke is not None


@_named(CONNECTORS)
async def test_an_account_is_connected(account_of: AccountOf, connector: Connector) -> None:
    """From the empty form to a connection that can be used, without a request that the service refuses."""
    account = await account_of(connector)

    await account.connect()
    await account.choose()

    assert await account.state() == "callable"
    assert account.refused() == []


@_with(lambda connector: connector.auth.oauth is not None)
async def test_parameters_have_the_names_that_the_provider_knows(account_of: AccountOf, connector: Connector) -> None:
    """What is renamed comes under its new name only, what is left out does not come, a space comes as it should."""
    account = await account_of(connector)
    await account.connect()
    authorize, token = account.oauth.authorize, account.oauth.token

    (redeemed,) = account.asked("token")
    assert not {*token.rename, *token.omit} & {**redeemed.query, **redeemed.members}.keys()
    for asked in account.asked("authorize"):
        assert authorize is not None
        assert not {*authorize.rename, *authorize.omit} & asked.query.keys()
        assert ("+" in urlsplit(asked.url).query) == account.oauth.scopes.plus_encoded


@_with(_is_signed)
async def test_a_callback_without_the_providers_signature_is_refused(
    account_of: AccountOf, connector: Connector
) -> None:
    """Whatever is changed on the way back, the code is not redeemed."""
    account = await account_of(connector)
    await account.type_in()
    browser = account.vault.browser()
    browser.stop_at = f"{PUBLIC_URL}/vault/callback"
    url = await account.vault.authorize_url(connector.id, account.unified_api)
    callback = await (await browser.visit(url, initiator=RETURN_TO)).allow()
    browser.stop_at = RETURN_TO

    page = await browser.visit(callback.url.replace("code=", "code=x"))

    assert page.status == 400
    assert "OAuthInvalidStateError" in page.text
    assert account.asked("token") == []


@_with(lambda connector: connector.verify is not None)
async def test_working_credentials_are_known_to_work(account_of: AccountOf, connector: Connector) -> None:
    """The service is asked as the manifest says, with every header that it wants on each call."""
    account = await account_of(connector)
    await account.connect()
    await account.choose()
    account.provider.received.clear()

    assert await account.verdict() == "ok"
    wanted = {name.lower(): render(text, account.example.values(0)) for name, text in connector.request.headers.items()}
    (asked,) = account.asked("api")
    assert wanted.items() <= asked.headers.items()


@_with(lambda connector: connector.auth.type in ("apiKey", "basic"))
async def test_wrong_credentials_are_told(account_of: AccountOf, connector: Connector) -> None:
    """Whoever types in a wrong key learns so at once."""
    account = await account_of(connector)
    secret = next(setting for setting in connector.settings if setting.sensitive)
    right = account.example.settings[secret.id]

    await account.type_in(**{secret.id: right[:-1] + ("1" if right.endswith("0") else "0")})

    assert await account.state() == "invalid"


@_with(_expires)
async def test_an_expired_token_is_refreshed(account_of: AccountOf, connector: Connector) -> None:
    """The next call gets a new token by one request, in the form that the provider expects."""
    account = await account_of(connector)
    await account.connect()
    await account.choose()
    account.provider.received.clear()
    account.vault.clock.advance((account.provider.shape.lifetimes.access or 0) + 1)

    reply = await account.vault.post(f"{account.path}/validate", json={})

    assert reply.data["state"] == "callable"
    assert len(account.asked("token")) == 1
    assert account.refused() == []


@_with(_is_refreshed)
async def test_a_grant_that_was_withdrawn_is_told(account_of: AccountOf, connector: Connector) -> None:
    """Even if the provider hides it behind status 200, the consumer is asked to connect again."""
    account = await account_of(connector, error_status=200)
    await account.connect()
    await account.choose()
    account.provider.withdraw()
    account.vault.clock.advance(DAY)

    reply = await account.vault.post(f"{account.path}/validate", json={})

    assert reply.status == 401
    assert (await account.vault.get(account.path)).data["health"] == "pending_refresh"


@_with(_is_revoked)
async def test_a_grant_is_ended_at_the_provider(account_of: AccountOf, connector: Connector) -> None:
    """Each token that the manifest names is revoked, in the provider's own way."""
    account = await account_of(connector)
    await account.connect()
    await account.choose()
    named = account.oauth.revoke.tokens if account.oauth.revoke else ()

    await account.vault.delete(account.path)

    assert [answer for answer in account.answers if answer[0] == "revoke"] == [("revoke", 200)] * len(named)
    ledger = account.provider.ledger
    ended = [*ledger.refresh.values()] if "refresh_token" in named else [*ledger.access.values()]
    assert not any(ledger.good(token) for token in ended)
    assert account.refused() == []


@_with(lambda connector: bool(connector.custom_fields))
async def test_custom_fields_are_listed(account_of: AccountOf, connector: Connector) -> None:
    """Each resource's own fields, without those of the service where it tells them apart."""
    account = await account_of(connector)
    await account.connect()
    await account.choose()
    words = {name: connector.fields_of(name) for name in connector.unified_apis[account.unified_api].resources}
    expected = {name: [(FIELD, FIELD_NAME, _found(word))] for name, word in words.items() if word}

    replies = {name: await account.vault.get(f"{account.path}/{name}/custom-fields") for name in expected}

    listed = {name: [(f["id"], f["name"], f["finder"]) for f in reply.data] for name, reply in replies.items()}
    assert listed == expected != {}
    assert account.refused() == []


@_with(lambda connector: any(unified.config for unified in connector.unified_apis.values()))
async def test_forms_of_resources_offer_what_the_account_has(account_of: AccountOf, connector: Connector) -> None:
    """The selects of a resource's form are filled from the service."""
    account = await account_of(connector)
    await account.connect()
    forms = connector.unified_apis[account.unified_api].config

    replies = {name: await account.vault.get(f"{account.path}/{name}/config") for name in forms}

    offered = {
        name: {field["id"]: [option["value"] for option in field["options"]] for field in reply.data["configuration"]}
        for name, reply in replies.items()
    }
    assert offered == {name: {field.id: _offered(field) for field in form} for name, form in forms.items()}


def _found(word: CustomFields) -> str:
    return word.map.finder.replace("{id}", FIELD)


def _offered(field: ResourceField) -> list[str]:
    return [CHOICE] if field.options_from else [o if isinstance(o, str) else o.value for o in field.options]

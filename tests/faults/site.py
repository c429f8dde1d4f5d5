"""A vault under test: its database, its nodes, the provider's ways to rotate, and customers that are connected."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import socket
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from tests.faults.node import Node
from tests.faults.provider import GRACE, ROTATIONS, Watched

from holdfast.store.engine.database import Database
from holdfast.store.engine.opening import open_database
from holdfast.store.seal.masterkey import create_master_key_file
from holdfast.testing.connectors import sandbox_manifest
from holdfast.testing.provider import RegisteredClient
from holdfast.testing.provider.ledger import Grant
from holdfast.testing.provider.shape import RotationMode

ADMIN_TOKEN = "hf_admin_of_the_nodes_under_fault"
CLIENT_ID, CLIENT_SECRET = "sandbox-client", "sandbox-secret"
RETURN_TO = "https://app.example.com/integrations"
# Of the life of an access token, the terms of a claim, and how long what is lost may stay untold.
LIVES, MINUTE = 5, 60.0
# Seconds that a token lives which is to have expired: long enough for an import to be complete.
SHORT = 4


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Answer:
    """What a node answered; 0 if it did not. `fresh`: with an access token that a refresh gave, the newest."""

    status: int
    data: Any = None
    fresh: bool = False

    @property
    def health(self) -> str | None:
        return self.data.get("health") if self.status == 200 and isinstance(self.data, dict) else None


@dataclass
class Account:
    """A customer's account, as the vault and as the provider know it."""

    consumer: str
    provider: Watched
    grant: Grant = field(repr=False)
    connection_id: str = ""

    @property
    def path(self) -> str:
        return f"/vault/connections/crm/sandbox-{self.provider.rotation}"


@dataclass
class Site:
    """See the module. `lease` is in seconds; other terms than a vault's own make every node one of the test kit."""

    directory: Path
    database_url: str
    providers: dict[RotationMode, Watched]
    http: aiohttp.ClientSession
    database: Database = field(repr=False)
    lease: float = 30.0
    patience: float | None = None
    public_port: int = field(default_factory=_free_port)
    nodes: list[Node] = field(default_factory=list)
    application: dict[str, str] = field(default_factory=dict, repr=False)
    _number: Any = field(default_factory=itertools.count)

    @property
    def engine(self) -> str:
        return self.database.kind

    @property
    def public_url(self) -> str:
        return f"http://127.0.0.1:{self.public_port}"

    @property
    def tell_within(self) -> float:
        """Seconds from a death to the moment at which everybody can know what it cost."""
        return MINUTE if self.lease == 30 else self.lease * 4 / 3 + 20

    def node(
        self, name: str, *, ahead: float = 0, url: str = "", prefix: Sequence[str] = (), host: str = "", port: int = 0
    ) -> Node:
        """A node that is not started. On SQLite all of them share one data directory. With other terms it is one of
        the test kit, also if its clock is so many seconds `ahead`. `url` is its own way to the database, `prefix` what
        starts it on another machine, where it listens on `host`; browsers come to the one at `public_port`."""
        shared = self.engine == "sqlite"
        environ = {
            "HOLDFAST_DATA_DIR": str(self.directory / ("data" if shared else f"data-{name}")),
            "HOLDFAST_DATABASE_URL": url or self.database_url,
            "HOLDFAST_CONNECTORS_DIR": str(self.directory / "connectors"),
            "HOLDFAST_EGRESS_ALLOW": ",".join(urlsplit(one.url).netloc for one in self.providers.values()),
            "HOLDFAST_MASTER_KEY_FILE": str(self.directory / "master.key"),
            "HOLDFAST_ADMIN_TOKEN": ADMIN_TOKEN,
            "HOLDFAST_PUBLIC_URL": self.public_url,
        }
        wrong: list[str] = []
        if ahead or self.lease != 30 or self.patience is not None:
            wrong = ["--ahead", str(ahead), "--lease", str(self.lease)]
            wrong += [] if self.patience is None else ["--patience", str(self.patience)]
        node = Node(name, environ, self.directory / f"{name}.log", wrong, prefix, host, port=port)
        self.nodes.append(node)
        return node

    async def set_up(self, node: Node) -> None:
        """An application, and its integrations."""
        self.application = await self._manage(node, "POST", "", {"name": "Acme", "redirect_uris": [RETURN_TO]})
        keys = f"/{self.application['application_id']}/api-keys"
        made = await self._manage(node, "POST", keys, {"scopes": ["connections", "credentials:read"]})
        self.application["api_key"] = made["api_key"]
        for rotation in self.providers:
            place = f"/{self.application['application_id']}/integrations/crm/sandbox-{rotation}"
            made = await self._manage(node, "PUT", place, {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET})
            client = RegisteredClient(CLIENT_ID, CLIENT_SECRET, (made["redirect_uri"],), "Acme")
            self.providers[rotation].clients[CLIENT_ID] = client

    async def connect(self, node: Node, rotation: RotationMode, *, good: bool) -> Account:
        """A customer whose access token is good for a while, or will have expired in a moment (`expired`)."""
        provider = self.providers[rotation]
        life = int(provider.shape.lifetimes.access or 0) if good else SHORT
        grant, access, refresh = provider.account(life)
        account = Account(f"customer-{next(self._number)}", provider, grant)
        issued = datetime.now(UTC).isoformat()
        given = {"access_token": access, "refresh_token": refresh, "issued_at": issued, "expires_in": life}
        made = await self.ask(node, account, "POST", "/import", {"credentials": given})
        assert made.status == 200, made
        # Or the worker would refresh a short token ahead, before the fault.
        await self.database.run(
            "UPDATE connections SET due_at = NULL WHERE consumer_id = :consumer", consumer=account.consumer
        )
        if provider.of(grant):  # the import took so long that the token had to be refreshed: another customer
            return await self.connect(node, rotation, good=good)
        account.connection_id = (await self._row(account))["id"]
        return account

    async def expired(self, accounts: Iterable[Account]) -> None:
        """Returns when nobody's access token is good any more."""
        waited_for = list(accounts)
        while any(account.provider.is_good(account.grant) for account in waited_for):
            await asyncio.sleep(0.05)

    async def use(self, node: Node, account: Account) -> Answer:
        """A call of the service with the customer's token."""
        answer = await self.ask(node, account, "GET", "/leads/custom-fields")
        fresh = answer.status == 200 and account.provider.used_newest(account.grant)
        return Answer(answer.status, answer.data, fresh)

    async def read(self, node: Node, account: Account) -> Answer:
        """The customer's access token itself, as a product reads it that calls the service by its own hand."""
        answer = await self.ask(node, account, "GET", "/credentials")
        newest = account.grant.access[-1].value
        fresh = answer.status == 200 and answer.data["access_token"] == newest and len(account.grant.access) > 1
        return Answer(answer.status, None, fresh)

    async def validate(self, node: Node, account: Account) -> Answer:
        """A forced refresh."""
        return await self.ask(node, account, "POST", "/validate")

    async def ask(self, node: Node, account: Account, method: str, path: str = "", body: Any = None) -> Answer:
        """A call of the Connections API about the customer's connection."""
        try:
            url = node.url + account.path + path
            async with self.http.request(method, url, headers=self._headers(account), json=body) as answer:
                told = await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, OSError):
            return Answer(0)
        return Answer(answer.status, told.get("data", told) if isinstance(told, dict) else told)

    def raw(self, account: Account, path: str) -> bytes:
        """The same as a GET on the wire."""
        lines = [f"GET {account.path}{path} HTTP/1.1", "Host: 127.0.0.1"]
        lines += [f"{name}: {value}" for name, value in self._headers(account).items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    async def events(self, account: Account) -> list[str]:
        """The types of what was announced of the connection, without their common prefix."""
        sql = "SELECT event_type FROM events WHERE connection_id = :id ORDER BY number"
        found = await self.database.all(sql, id=account.connection_id)
        return [row["event_type"].removeprefix("vault.connection.") for row in found]

    def logged(self, account: Account) -> list[str]:
        """What the nodes logged of the connection."""
        lines = [line for node in self.nodes if node.log.exists() for line in node.log.read_text().splitlines()]
        told = [json.loads(line) for line in lines if account.connection_id in line and line.startswith("{")]
        return [line.get("event", "") for line in told if line.get("connection") == account.connection_id]

    def _headers(self, account: Account) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {self.application['api_key']}",
            "x-apideck-app-id": self.application["application_id"],
            "x-apideck-consumer-id": account.consumer,
        }

    async def _row(self, account: Account) -> Any:
        service = account.path.rpartition("/")[2]
        sql = "SELECT * FROM connections WHERE consumer_id = :consumer AND service_id = :service"
        return await self.database.one(sql, consumer=account.consumer, service=service)

    async def _manage(self, node: Node, method: str, path: str, body: Any) -> Any:
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        url = f"{node.url}/manage/applications{path}"
        async with self.http.request(method, url, headers=headers, json=body) as answer:
            told = await answer.json()
            assert answer.status == 200, told
            return told["data"]


@contextlib.asynccontextmanager
async def site(
    directory: Path,
    database_url: str,
    *,
    lease: float = 30.0,
    patience: float | None = None,
    rotations: Sequence[RotationMode] = ROTATIONS,
) -> AsyncIterator[Site]:
    """A site whose providers run, with its first node, `home`, which serves. All of it ends with the block."""
    create_master_key_file(directory / "master.key")
    async with contextlib.AsyncExitStack() as running:
        providers = {word: Watched(word, lease * LIVES) for word in rotations}
        for word, provider in providers.items():
            await running.enter_async_context(provider.serve())
            _describe(directory, word, provider)
        limits = aiohttp.ClientTimeout(total=200)
        connector = aiohttp.TCPConnector(limit=0)
        http = await running.enter_async_context(aiohttp.ClientSession(timeout=limits, connector=connector))
        database = await open_database(database_url)
        running.push_async_callback(database.close)
        it = Site(directory, database_url, providers, http, database, lease, patience)
        running.push_async_callback(_end, it)
        home = it.node("home")
        await home.start()
        await it.set_up(home)
        yield it


async def _end(it: Site) -> None:
    await asyncio.gather(*(node.end() for node in it.nodes))


def _describe(directory: Path, rotation: RotationMode, provider: Watched) -> None:
    told = f"rotation: {rotation}" + (f", grace: {GRACE}" if rotation == "grace" else "")
    text = sandbox_manifest(provider.url).replace("rotation: family", told)
    text = text.replace("id: sandbox-crm", f"id: sandbox-{rotation}", 1)
    place = directory / "connectors" / f"sandbox-{rotation}" / "connector.yaml"
    place.parent.mkdir(parents=True)
    place.write_text(text)

"""A vault with something in it: one application, its integrations, a connected consumer."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import holdfast
from holdfast import wiring
from holdfast.catalog import Catalog
from holdfast.config import Settings
from holdfast.domain.credential import Secret
from holdfast.store.seal.masterkey import create_master_key_file
from holdfast.testing.connectors import sandbox_manifest
from holdfast.usecases import connections, manage
from holdfast.usecases.connections import Import, imported_token

MANIFESTS = 200
SANDBOX = "sandbox-crm"
CLIENT_ID, CLIENT_SECRET = "bench-client", "bench-secret"


@dataclass(frozen=True)
class Seeded:
    """What a request against the seeded vault needs."""

    application_id: str
    api_key: str
    environ: dict[str, str]

    def request(self, path: str, consumer: str = "test-consumer") -> bytes:
        """The bytes of a GET with everything that a client sends."""
        lines = [
            f"GET {path} HTTP/1.1",
            "Host: 127.0.0.1:8000",
            "Accept: application/json",
            "User-Agent: holdfast-bench",
            f"Authorization: Bearer {self.api_key}",
            f"x-apideck-app-id: {self.application_id}",
            f"x-apideck-consumer-id: {consumer}",
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()


def seed(directory: Path, database_url: str | None = None, service: str | None = None) -> Seeded:
    """Fills a new vault in `directory`: 200 integrations, and Pipedrive connected.

    With `service`, the URL of a provider on this machine, its sandbox connector is one of them, and connected too.
    """
    environ = {
        "HOLDFAST_DATA_DIR": str(directory / "data"),
        "HOLDFAST_CONNECTORS_DIR": str(_manifests(directory)),
    }
    if service:
        environ["HOLDFAST_EGRESS_ALLOW"] = urlsplit(service).netloc
        (directory / "connectors" / SANDBOX).mkdir()
        (directory / "connectors" / SANDBOX / "connector.yaml").write_text(sandbox_manifest(service))
    if database_url:
        environ["HOLDFAST_DATABASE_URL"] = database_url
        (directory / "data").mkdir(parents=True)
        create_master_key_file(directory / "data" / wiring.MASTER_KEY_FILE)
    application_id, api_key = asyncio.run(_fill(Settings.from_env(environ)))
    return Seeded(application_id, api_key, environ)


async def _fill(settings: Settings) -> tuple[str, str]:
    wiring.prepare(settings)
    async with wiring.open_vault(settings) as vault:
        application, _ = await manage.create_application(vault, "Bench", ("https://app.example.com/done",))
        key = (await manage.create_key(vault, application.id, ("connections", "proxy", "credentials:read"))).api_key
        pairs = [(api, c) for c in vault.catalog.all() for api in c.unified_apis]
        pairs.sort(key=lambda pair: (pair[0], pair[1].id) not in (("crm", "pipedrive"), ("crm", SANDBOX)))
        for api, connector in pairs[:MANIFESTS]:
            given = manage.IntegrationChange(client_id=CLIENT_ID, client_secret=Secret(CLIENT_SECRET))
            await manage.put_integration(vault, application.id, api, connector.id, given)
        scope = manage.operator(application.id).of("test-consumer")
        token = imported_token("a" * 120, "r" * 80, vault.clock.now(), vault.clock.now() + 3_600_000_000)
        settings_ = {"api_domain": "https://acme.pipedrive.com"}
        await connections.import_(scope, vault, "crm", "pipedrive", Import(token=token, settings=settings_))
        if vault.catalog.offers("crm", SANDBOX):
            await connections.import_(scope, vault, "crm", SANDBOX, Import(token=token))
    return application.id, key or ""


def _manifests(directory: Path) -> Path:
    """Enough copies of shipped manifests, under other ids, to make 200 integrations."""
    place = directory / "connectors"
    shipped = Catalog.load().all()
    root = Path(holdfast.__file__).parent / "connectors"
    for number in range(MANIFESTS):
        source = root / shipped[number % len(shipped)].id / "connector.yaml"
        id = f"{source.parent.name}-{number}"
        target = place / id / "connector.yaml"
        target.parent.mkdir(parents=True)
        target.write_text(re.sub(r"^id: .*$", f"id: {id}", source.read_text(), count=1, flags=re.MULTILINE))
    return place

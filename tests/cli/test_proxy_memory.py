"""The proxy of `holdfast serve`: bodies that are larger than its memory should ever be."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from executable import Holdfast

from holdfast.testing.connectors import sandbox_manifest
from holdfast.testing.provider import SandboxProvider
from holdfast.testing.provider.files import Files

MIB = 1 << 20
SIZE = 256 * MIB
# What both directions together may add to the memory of the process, whatever passes through it.
ROOM = 24 * MIB


def resident(pid: int) -> int:
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def pieces(size: int) -> AsyncIterator[bytes]:
    block = bytes(range(256)) * 256
    for _ in range(size // len(block)):
        yield block


class Product:
    """A product whose customer is connected."""

    def __init__(self, url: str, http: aiohttp.ClientSession, application: dict[str, str]) -> None:
        self.url, self.http = url, http
        self.headers = {
            "authorization": f"Bearer {application['api_key']}", "x-apideck-app-id": application["application_id"],
            "x-apideck-consumer-id": "northwind-freight", "x-apideck-service-id": "sandbox-crm",
        }  # fmt: skip

    def call(self, method: str, url: str, data: Any = None) -> Any:
        headers = {**self.headers, "x-apideck-downstream-url": url}
        return self.http.request(method, f"{self.url}/proxy", headers=headers, data=data)

    async def download(self, size: int) -> str:
        digest, got = hashlib.sha256(), 0
        async with self.call("GET", f"/files/{size}") as answer:
            async for piece in answer.content.iter_any():
                digest.update(piece)
                got += len(piece)
        assert (answer.status, got) == (200, size)
        return digest.hexdigest()

    async def upload(self, size: int) -> Any:
        async with self.call("POST", "/files", pieces(size)) as answer:
            told = await answer.json()
        assert (answer.status, told["size"]) == (201, size)
        return told["sha256"]


async def test_bodies_pass_in_constant_memory(holdfast: Holdfast) -> None:
    """256 MiB up and 256 MiB down at the same time add less than a tenth of one of them to the process."""
    async with SandboxProvider(api=Files().routes()).serve() as provider, aiohttp.ClientSession() as http:
        manifest = holdfast.directory / "connectors" / "sandbox-crm" / "connector.yaml"
        manifest.parent.mkdir(parents=True)
        manifest.write_text(sandbox_manifest(provider.url))
        holdfast.settings |= {
            "HOLDFAST_CONNECTORS_DIR": str(manifest.parent.parent),
            "HOLDFAST_EGRESS_ALLOW": urlsplit(provider.url).netloc,
        }
        running = await asyncio.to_thread(holdfast.serve)
        application = await asyncio.to_thread(holdfast.application)
        await asyncio.to_thread(
            holdfast.run, "integrations", "set", application["application_id"], "crm", "sandbox-crm",
            "--client-id", "sandbox-client",
        )  # fmt: skip
        product = Product(running.url, http, application)
        credentials = {"access_token": provider.issue().access.value, "expires_in": 3600}
        path = f"{running.url}/vault/connections/crm/sandbox-crm/import"
        async with http.post(path, headers=product.headers, json={"credentials": credentials}) as answer:
            assert answer.status == 200, await answer.text()
        await asyncio.gather(product.download(MIB), product.upload(MIB))
        before, most = resident(running.process.pid), 0

        moving = asyncio.gather(product.download(SIZE), product.upload(SIZE))
        while not moving.done():
            await asyncio.wait([moving], timeout=0.05)
            most = max(most, resident(running.process.pid))
        down, up = moving.result()

    assert down == up == hashlib.sha256(bytes(range(256)) * (SIZE // 256)).hexdigest()
    assert most - before < ROOM

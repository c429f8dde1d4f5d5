"""docs/tutorial.md: every command as it stands there, and a person with a browser where it asks for one."""

from __future__ import annotations

import json
from asyncio import to_thread
from pathlib import Path

from documents import Block, opened

from holdfast.testing.browser import Browser


async def test_the_tutorial_works(tmp_path: Path) -> None:
    """A vault and a service, an account that is connected in a browser, used, read with the client, and deleted."""
    with opened("docs/tutorial.md", tmp_path) as (blocks, shell):
        printed: list[str] = []
        for block in blocks:
            printed.append(await to_thread(shell.run, block))
            if "oauth/callback" in block.text:
                question = await Browser().visit(printed[-1])
                page = await (await question.allow()).allow()
                assert "is connected" in page.text
            if "custom-fields" in block.text:
                asked = await to_thread(shell.run, Block("sh", "cat provider.log"))
            if "DELETE" in block.text:
                ended = await to_thread(shell.run, Block("sh", "cat provider.log"))
        left = await to_thread(shell.run, Block("sh", "env | grep -E '^HOLDFAST_(CONNECTORS|EGRESS)' || true"))

    states = [text for text in printed if text in ("available", "callable")]
    fields = next(json.loads(text)["data"] for text in printed if '"finder"' in text)
    assert states == ["available", "callable", "available"]
    assert "Fleet size" in [field["name"] for field in fields]
    assert any(text.startswith("crm+sandbox-crm callable {'company_id'") for text in printed)
    assert "POST   /oauth/token  authorization_code" in asked
    assert ended.count("POST   /oauth/revoke") == 2
    assert (list(tmp_path.iterdir()), left) == ([], "")

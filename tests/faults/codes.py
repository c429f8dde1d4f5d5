"""kill -9 at each step of a code's redemption: the connection is there after the restart, or says that it is not."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp
from tests.faults.node import Node
from tests.faults.site import RETURN_TO, Account, Site
from tests.faults.story import Story

from holdfast.testing.browser import Browser
from holdfast.testing.provider.ledger import Grant
from holdfast.testing.provider.users import USERS

# Whether the answer was on disk when the process died, and the connection is there without anybody's help.
STEPS: Final = {"numbered": False, "answered": False, "spooled": True, "storing": True, "stored": True}


async def codes(site: Site) -> list[Story]:
    """One death after the other, each in the middle of one customer's callback."""
    victim = site.node("door", port=site.public_port)
    return [await _code(site, victim, step, kept=kept) for step, kept in STEPS.items()]


async def _code(site: Site, victim: Node, step: str, *, kept: bool) -> Story:
    home, provider = site.nodes[0], site.providers["family"]
    account = Account(f"customer-of-{step}", provider, Grant("", USERS[0], ()))
    await victim.start(f"redeem.{step}=kill")
    link = (await site.ask(home, account, "GET")).data["authorize_url"]
    since = len(provider.ledger.grants)
    browser = Browser(stop_at=f"{site.public_url}/vault/callback")
    page = await browser.visit(f"{link}&{urlencode({'redirect_uri': RETURN_TO})}", initiator=RETURN_TO)
    page = await page.allow()
    cookie = browser.cookies.header(page.url, method="GET", initiator=None) or ""
    with contextlib.suppress(aiohttp.ClientError):
        await site.http.get(page.url, headers={"cookie": cookie, "referer": RETURN_TO}, allow_redirects=False)
    await victim.died()
    died = time.monotonic()
    await victim.start()
    story = Story(f"{site.engine} kill {step} of a code")
    await _judge(site, home, account, story, provider.ledger.grants[since:], kept=kept, until=died + site.tell_within)
    await victim.end()
    return story


async def _judge(
    site: Site, home: Node, account: Account, story: Story, grants: list[Any], *, kept: bool, until: float
) -> None:
    """A code is spent once. What was on disk is in force; what was not leaves a connection that asks for a consent."""
    told = await site.ask(home, account, "GET")
    while kept and told.data["state"] != "callable" and time.monotonic() < until:
        await asyncio.sleep(0.5)
        told = await site.ask(home, account, "GET")
    if not kept:
        story.verdict = "flagged" if told.data["state"] in ("available", "added", "authorized") else "silent"
    elif told.data["state"] == "callable" and (await site.validate(home, account)).status == 200:
        story.verdict = "recovered"
    if any(grant.ended for grant in grants):
        story.wrong.append("a grant was ended that its customer had just given")
    story.requests = len(grants)

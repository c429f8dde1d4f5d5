"""From a fault to its end: does the connection work on, or does it say that it does not?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from tests.faults.node import Node
from tests.faults.provider import Presented
from tests.faults.site import Account, Site

# What was known of the refresh token when the fault came: it had not left; it may have, and no answer is held; the
# answer was on disk.
Left = Literal["untouched", "lost", "kept"]
Verdict = Literal["recovered", "flagged", "silent"]

PENDING, TOLD = "token_refresh.pending", {"refresh_unanswered", "refresh_failed"}


@dataclass
class Story:
    """One case and its verdict. `told`: after how many seconds a loss was known by health, event and log."""

    case: str
    verdict: Verdict = "silent"
    told: float | None = None
    requests: int = 0
    extra: int = 0
    wrong: list[str] = field(default_factory=list)
    presented: Sequence[Presented] = ()

    @property
    def holds(self) -> bool:
        return self.verdict != "silent" and not self.extra and not self.wrong


async def follow(
    site: Site, node: Node, account: Account, case: str, left: Left, *, since: float, misled: bool = False
) -> Story:
    """The story of a connection whose refresh a fault has hit, `since` when (by the loop's clock).

    It ends when the connection works again with a new token, which is proved by one more refresh, or when the provider
    has refused what was left; it is silent if neither has come by the time that it must have. `misled` by a wrong
    clock, a node may hold a token for old that another one has just stored.
    """
    story = Story(case)
    watching = asyncio.create_task(_told(site, node, account, story, since))
    if left == "untouched":
        works = await _validates(site, node, account, since)
    else:
        works = await _works_again(site, node, account, story, left, since)
    await _judge(site, node, account, story, left, works=works)
    if misled and account.provider.rotation == "none":
        story.extra = 0
    if story.verdict == "recovered":
        watching.cancel()
    await asyncio.wait([watching])
    if left == "lost" and story.told is None and time.monotonic() - since > site.tell_within:
        story.wrong.append("a loss that nobody told of in time")
    return story


async def _validates(site: Site, node: Node, account: Account, since: float) -> bool:
    while time.monotonic() - since < site.tell_within:
        if (await site.validate(node, account)).status == 200:
            return True
        await _moment(site)
    return False


async def _works_again(site: Site, node: Node, account: Account, story: Story, left: Left, since: float) -> bool:
    """Calls as a product does, until a call succeeds with a new token. False once the provider has refused."""
    life = account.provider.shape.lifetimes.access or 0
    end = since + (site.tell_within if left == "kept" else life + 3 * site.lease + site.tell_within)
    while time.monotonic() < end:
        good = account.provider.is_good(account.grant) and len(account.grant.access) == 1
        answer = await site.use(node, account)
        if answer.fresh:
            return True
        if good and answer.status != 200 and account.provider.is_good(account.grant):
            story.wrong.append(f"{answer.status} while the access token was good")
        if any(one.status is not None and one.status >= 400 for one in account.provider.of(account.grant)):
            return False
        await _moment(site)
    return False


async def _judge(site: Site, node: Node, account: Account, story: Story, left: Left, *, works: bool) -> None:
    presented = account.provider.of(account.grant)
    story.requests, story.presented = len(presented), [*presented]
    story.extra = sum(is_extra(one, account, left, presented, lease=site.lease) for one in presented)
    if any(one.ended and one.good for one in presented):
        story.wrong.append("a family was ended while its access token was good")
    told = await site.ask(node, account, "GET")
    if works:
        proof = left == "untouched" or await _validates(site, node, account, time.monotonic())
        healthy = (await site.ask(node, account, "GET")).health == "ok"
        story.verdict = "recovered" if proof and healthy else "silent"
    elif told.health == "pending_refresh" and PENDING in await site.events(account):
        story.verdict = "flagged" if TOLD & set(site.logged(account)) else "silent"


def is_extra(
    one: Presented, account: Account, left: Left, presented: Sequence[Presented], *, lease: float = 30.0
) -> bool:
    """Whether a presentation was made without need.

    Its token had come before, and was not truly lost, or might have been waited for. Where the provider never takes
    offence, and inside the window in which it forgives, a neighbour need not wait for a process that has been silent
    for a lease: it may hold an answer on a disk that nobody else can read.
    """
    if not one.again:
        return False
    rotation, window = account.provider.rotation, account.provider.shape.lifetimes.grace
    forgives = rotation == "none" or (rotation == "grace" and one.replay < window)
    if forgives and one.replay >= lease:
        return False
    repeated = sum(other.token == one.token for other in presented) > 2
    return left != "lost" or repeated or (one.good and not forgives)


async def _told(site: Site, node: Node, account: Account, story: Story, since: float) -> None:
    """Notes when a loss was known."""
    while (passed := time.monotonic() - since) < site.tell_within:
        told = await site.ask(node, account, "GET")
        pending = told.health == "pending_refresh" and PENDING in await site.events(account)
        if pending and TOLD & set(site.logged(account)):
            story.told = passed
            return
        await _moment(site)


async def _moment(site: Site) -> None:
    await asyncio.sleep(min(1.0, site.lease / 10))


async def ends_well(
    site: Site,
    node: Node,
    account: Account,
    case: str,
    *,
    most: int = 1,
    within: float = 60.0,
    wrong: Sequence[str] = (),
) -> Story:
    """The story of a connection that must work again `within` so many seconds, and have cost one request or `most`."""
    story = Story(case, wrong=[*wrong])
    end = time.monotonic() + within
    answer = await site.use(node, account)
    while not answer.fresh and time.monotonic() < end:
        await _moment(site)
        answer = await site.use(node, account)
    presented = [*account.provider.of(account.grant)]
    await _judge(site, node, account, story, "kept", works=answer.fresh)
    story.requests, story.extra = len(presented), max(0, len(presented) - most)
    if not 1 <= len(presented) <= most:
        story.wrong.append(f"{len(presented)} token requests in place of {most}")
    return story

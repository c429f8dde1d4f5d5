"""The proxy: what the operator lets through, changed while everything runs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from nodes import another_node
from proxying import arrived, proxy

from holdfast.testing.harness import SERVICE, Deployment, Reply
from holdfast.usecases import manage
from holdfast.usecases.manage import RuleData


async def put(vault: Deployment, *rules: dict[str, Any]) -> Reply:
    return await vault.manage("PUT", f"/applications/{vault.application_id}/proxy-policy", json={"rules": rules})


async def test_a_rule_holds_for_the_next_call(mirrored: Deployment) -> None:
    """What it blocks is told and does not reach the service; without it the call passes again."""
    made = await put(mirrored, {"effect": "block", "service_id": SERVICE, "methods": ["post"], "path": "/api/v1/**"})
    blocked, read = await proxy(mirrored, "POST", body=b"{}"), await proxy(mirrored)
    await put(mirrored)
    passed = await proxy(mirrored, "POST", body=b"{}")

    assert made.data["rules"] == [{"effect": "block", "service_id": SERVICE, "methods": ["POST"], "path": "/api/v1/**"}]
    assert (blocked.status, blocked.body["type_name"]) == (403, "BlockedByPolicyError")
    assert (read.status, passed.status) == (200, 200)
    assert [request.method for request in arrived(mirrored)] == ["GET", "POST"]


async def test_what_is_allowed_shuts_out_the_rest(mirrored: Deployment) -> None:
    """Of that service; the method in the header is the one that counts."""
    await put(mirrored, {"effect": "allow", "methods": ["GET"], "path": "/api/v1/mirror"})

    replies = [
        await proxy(mirrored),
        await proxy(mirrored, url="/users"),
        await proxy(mirrored, headers={"x-apideck-downstream-method": "DELETE"}),
        await proxy(mirrored, headers={"x-apideck-downstream-authorization": "Bearer own"}, url="/users"),
    ]

    assert [reply.status for reply in replies] == [200, 403, 403, 403]
    assert len(arrived(mirrored)) == 1


async def test_other_nodes_follow_within_a_second(mirrored: Deployment) -> None:
    """Nobody restarts anything."""
    async with another_node(mirrored) as node:
        before = await proxy(node)
        await put(mirrored, {"effect": "block"})
        mirrored.clock.advance(1)
        after = await proxy(node)

    assert (before.status, after.status) == (200, 403)


async def test_a_policy_is_one_applications(mirrored: Deployment) -> None:
    """Another application's rules say nothing of this one."""
    other = await mirrored.manage("POST", "/applications", json={"name": "Other", "redirect_uris": []})
    path = f"/applications/{other.data['application_id']}/proxy-policy"

    await mirrored.manage("PUT", path, json={"rules": [{"effect": "block"}]})

    assert (await proxy(mirrored)).status == 200
    own = await mirrored.manage("GET", f"/applications/{mirrored.application_id}/proxy-policy")
    assert own.data == {"rules": []}


@pytest.mark.parametrize(
    "rule",
    [
        {}, {"effect": "forbid"}, {"effect": "block", "paths": ["/x"]}, {"effect": "block", "methods": []},
        {"effect": "block", "methods": ["TRACE"]}, {"effect": "block", "path": "v1"}, {"effect": "block", "path": ""},
        {"effect": "block", "path": "/v1?x=1"}, {"effect": "block", "path": "/**/users"},
        {"effect": "block", "service_id": "no-such-service"}, {"effect": "block", "path": "/" + "a" * 500},
    ],
)  # fmt: skip
async def test_a_rule_that_says_nothing_is_refused(mirrored: Deployment, rule: dict[str, Any]) -> None:
    """A mistake in it would leave open what was to be shut; those there are stay."""
    await put(mirrored, {"effect": "block", "path": "/api/v1/users"})

    reply = await put(mirrored, rule)

    kept = await mirrored.manage("GET", f"/applications/{mirrored.application_id}/proxy-policy")
    assert (reply.status, kept.data["rules"]) == (400, [{"effect": "block", "path": "/api/v1/users"}])


async def test_a_policy_of_nobody_is_not_found(mirrored: Deployment) -> None:
    """It is not made by a typing mistake."""
    read = await mirrored.manage("GET", "/applications/nobody/proxy-policy")
    written = await mirrored.manage("PUT", "/applications/nobody/proxy-policy", json={"rules": []})

    assert (read.status, written.status) == (404, 404)


async def test_rules_that_are_added_at_once_are_all_there(mirrored: Deployment) -> None:
    """Nobody's is lost."""
    paths = [f"/api/v1/{number}" for number in range(8)]

    async def add(path: str) -> None:
        rule = RuleData(effect="block", path=path)
        await manage.change_policy(mirrored.vault, mirrored.application_id, lambda before: [*before, rule])

    await asyncio.gather(*map(add, paths))

    found = await manage.policy(mirrored.vault, mirrored.application_id)
    assert sorted(rule.path or "" for rule in found.rules) == paths

"""`holdfast rules`: what an application may call through the proxy."""

from __future__ import annotations

from executable import Holdfast


def test_rules_are_added_listed_and_taken_away(holdfast: Holdfast) -> None:
    """By their numbers; each command answers with all there are."""
    id = holdfast.application()["application_id"]

    none = holdfast.run("rules", "list", id)
    holdfast.run("rules", "block", id, "--service", "pipedrive", "--method", "delete", "--method", "PUT")
    added = holdfast.run("rules", "allow", id, "--path", "/v1/**", "--json")
    told = holdfast.run("rules", "list", id)
    removed = holdfast.run("rules", "remove", id, "1", "--json")

    assert (none.out, none.err.strip()) == ("", "No rules: every call passes.")
    blocks = {"effect": "block", "service_id": "pipedrive", "methods": ["DELETE", "PUT"]}
    assert added.json == {"rules": [blocks, {"effect": "allow", "path": "/v1/**"}]}
    assert [line.split() for line in told.out.splitlines()[1:]] == [
        ["1", "block", "pipedrive", "DELETE", "PUT", "any"],
        ["2", "allow", "any", "any", "/v1/**"],
    ]
    assert removed.json == {"rules": [{"effect": "allow", "path": "/v1/**"}]}


def test_a_rule_that_cannot_be_is_refused(holdfast: Holdfast) -> None:
    """A service that is not there, a path that is none, a number that nothing has: one line says so."""
    id = holdfast.application()["application_id"]

    wrong = [
        holdfast.run("rules", "block", id, "--service", "no-such-service"),
        holdfast.run("rules", "block", id, "--path", "v1"),
        holdfast.run("rules", "remove", id, "1"),
        holdfast.run("rules", "list", "nobody"),
    ]

    assert [(result.status, result.err.count("\n")) for result in wrong] == [(1, 1)] * 4
    assert holdfast.run("rules", "list", id, "--json").json == {"rules": []}

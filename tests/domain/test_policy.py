"""Rules of the proxy: what passes, and ways to write a path that a rule must not miss."""

from __future__ import annotations

import pytest

from holdfast.domain.policy import Policy, Rule

BASE = "https://api.example.com"


def admits(*rules: Rule, method: str = "GET", path: str = "/v1/leads", **headers: str) -> bool:
    return Policy(rules).admits("acme-crm", method, BASE + path, headers)


@pytest.mark.parametrize(
    ("rules", "passes"),
    [
        ((), True),
        ((Rule("block"),), False),
        ((Rule("block", "other"),), True),
        ((Rule("block", "acme-crm"),), False),
        ((Rule("block", methods=frozenset(("POST",))),), True),
        ((Rule("block", methods=frozenset(("GET", "POST"))),), False),
        ((Rule("allow", "other", path="/x"),), True),
        ((Rule("allow", "acme-crm", path="/x"),), False),
        ((Rule("allow", "acme-crm", path="/x"), Rule("allow", path="/v1/leads")), True),
        ((Rule("allow"), Rule("block", path="/v1/leads")), False),
        ((Rule("block", path="/v1/leads"), Rule("allow")), False),
        ((Rule("allow", methods=frozenset(("GET",))),), True),
    ],
)
def test_a_block_goes_before_everything_and_an_allow_shuts_the_rest_out(rules: tuple[Rule, ...], passes: bool) -> None:
    """In whatever order they stand; a rule for another service says nothing of this one."""
    assert admits(*rules) is passes


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("/v1/leads", "/v1/leads", True), ("/v1/leads", "/v1/leads/", True), ("/v1/leads", "/v1/leads/7", False),
        ("/v1/leads", "/v1/leadsx", False), ("/v1/*", "/v1/leads", True), ("/v1/*", "/v1/leads/7", False),
        ("/v1/*", "/v1", False), ("/v1/**", "/v1/leads/7/notes", True), ("/v1/**", "/v1", True), ("/**", "/", True),
        ("/v1/**", "/v2/leads", False), ("/*/leads", "/v1/leads", True), ("/v1/leads", "/v1/leads?x=/v1/users", True),
        ("/v1/a b", "/v1/a%20b", True), ("/", "/", True), ("/", "/v1", False),
    ],
)  # fmt: skip
def test_a_path_is_segments(pattern: str, path: str, fits: bool) -> None:
    """The same for a rule that allows and for one that blocks."""
    assert admits(Rule("allow", path=pattern), path=path) is fits
    assert admits(Rule("block", path=pattern), path=path) is not fits


DISGUISES = (
    "/v1/users", "/v1//users", "//v1/users", "/v1/users/", "/V1/Users", "/v1/%75sers", "/v1/%2575sers", "/v1%2fusers",
    "/v1%2Fusers", "/v1/users;jsessionid=1", "/v1;x/users", "/v1/users%3bx", "/v1\\users", "/v1%5cusers", "/v1/%55SERS",
    "/v1/leads/..%2fusers", "/v1/leads/..%5cusers", "/v1/leads/%252e%252e/users", "/v1/leads/%2e%2e%2fusers",
    "/v1/leads/a%2f..%2f..%2fusers", "/v1/%2e%2fusers",
)  # fmt: skip


@pytest.mark.parametrize("path", DISGUISES)
def test_a_blocked_path_stays_blocked_however_it_is_written(path: str) -> None:
    """Servers decode, fold, merge and cut; whichever of it they do, the call does not pass."""
    assert not admits(Rule("block", path="/v1/users"), path=path)


@pytest.mark.parametrize("path", [path for path in DISGUISES if path not in ("/v1/users", "/v1/users/", "/v1/%75sers")])
def test_an_allowed_path_is_written_plainly(path: str) -> None:
    """What a server may read as something else is not what was allowed."""
    assert not admits(Rule("allow", path="/v1/users"), path=path)


@pytest.mark.parametrize(
    "headers",
    [
        {"x-http-method-override": "delete"},
        {"x-http-method": "DELETE"},
        {"x-method-override": " DELETE "},
        {"x_http_method_override": "DELETE"},
        {"x-http-method-override": "GET, DELETE"},
    ],
)
def test_a_method_in_disguise_is_that_method(headers: dict[str, str]) -> None:
    """Some servers take a POST for a DELETE if a header, or a parameter, says so."""
    rule = Rule("block", methods=frozenset(("DELETE",)))

    assert not Policy((rule,)).admits("acme-crm", "POST", f"{BASE}/v1/leads/7", headers)
    assert not admits(rule, method="POST", path="/v1/leads/7?_method=delete")
    assert admits(rule, method="POST", path="/v1/leads/7")

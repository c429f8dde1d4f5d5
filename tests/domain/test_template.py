"""Templates: where a value stands decides what it may be."""

from __future__ import annotations

import pytest

from holdfast.domain.manifest.template import (
    host_matches,
    host_pattern,
    names,
    parse,
    render,
    render_header,
    render_url,
)
from holdfast.errors import ConnectionSettingsError

HOSTILE_LABELS = [
    "evil.com/",
    "evil.com#",
    "evil.com?",
    "a@evil.com",
    "127.0.0.1:80/",
    "x\\@",
    "%2f",
    "a%00",
    "a\r\nHost: b",
    "a b",
    "",
    "-a",
    "a-",
    "a..b",
    "a.b",
    "a\u3002b",
    "a\uff0eb",
    "\uff21",
    "xn--/",
    "a" * 64,
    "..",
    "a/../b",
    "a;b",
    "a:443",
    "[::1]",
    "\ta",
]
HOSTILE_ORIGINS = [
    "http://evil.com",
    "https://evil.com",
    "https://na1.salesforce.com.evil.com",
    "https://evil-salesforce.com",
    "https://user@na1.salesforce.com",
    "https://na1.salesforce.com:8443",
    "https://na1.salesforce.com?x=1",
    "https://na1.salesforce.com#f",
    "https://na1.salesforce.com\\@evil.com",
    "https://na1.salesforce.com/../x",
    "https://127.0.0.1",
    "ftp://na1.salesforce.com",
    "//na1.salesforce.com",
    "na1.salesforce.com",
    "https://",
    "javascript:alert(1)",
    "https://na1.salesforce.com/a b",
    "https://na1.salesforce.com/%2e%2e",
    "https://[::1]/",
]


@pytest.mark.parametrize("label", HOSTILE_LABELS)
def test_a_value_in_a_host_is_one_label(label: str) -> None:
    """A setting that stands in a host cannot lead to another host."""
    with pytest.raises(ConnectionSettingsError):
        render_url("https://{shop}.myshopify.com/admin", {"settings": {"shop": label}}, ["*.myshopify.com"])


@pytest.mark.parametrize("origin", HOSTILE_ORIGINS)
def test_a_whole_address_belongs_to_the_service(origin: str) -> None:
    """A captured base URL is used only if it is a plain https address of one of the service's hosts."""
    with pytest.raises(ConnectionSettingsError):
        render_url("{instance_url}/services", {"settings": {"instance_url": origin}}, ["*.salesforce.com"])


def test_values_are_encoded_by_where_they_stand() -> None:
    """A value in a path or query is percent-encoded, so it adds no segment and no parameter."""
    values = {"settings": {"shop": "acme", "realm": "9/../8?x&y=#"}}

    url = render_url("https://{shop}.example.com/v3/{realm}?company={realm}", values, ["*.example.com"])

    assert url == "https://acme.example.com/v3/9%2F..%2F8%3Fx%26y%3D%23?company=9%2F..%2F8%3Fx%26y%3D%23"


def test_a_host_from_a_setting_must_be_listed() -> None:
    """A host that is a setting as a whole is used only if the manifest lists it."""
    hosts = ["accounts.zoho.{com,eu}"]

    assert render_url("https://{h}/x", {"settings": {"h": "accounts.zoho.eu"}}, hosts) == "https://accounts.zoho.eu/x"
    with pytest.raises(ConnectionSettingsError):
        render_url("https://{h}/x", {"settings": {"h": "accounts.zoho.evil"}}, hosts)


def test_the_end_of_a_host_may_be_several_labels() -> None:
    """A country's domain can have two labels; whatever else is typed in leads to no other host."""
    hosts = ["start.exactonline.{nl,co.uk}"]
    url = "https://start.exactonline.{region}/api"

    assert render_url(url, {"settings": {"region": "co.uk"}}, hosts) == "https://start.exactonline.co.uk/api"
    for region in ("evil.example", "nl.", "nl:8443", "co.uk/x", "nl@evil.example", "co..uk", "-nl"):
        with pytest.raises(ConnectionSettingsError):
            render_url(url, {"settings": {"region": region}}, hosts)


def test_double_braces_are_braces() -> None:
    """A query language with braces of its own can be written in a template."""
    text = "{{boards(ids:[{board}]){{id}}}}"

    assert render(text, {"settings": {"board": "4711"}}) == "{boards(ids:[4711]){id}}"
    assert names(text) == {("settings", "board")}


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\x00", "naïve"])
def test_a_header_carries_no_control_character(value: str) -> None:
    """A value that would split a header, or that headers cannot carry, is refused."""
    with pytest.raises(ConnectionSettingsError):
        render_header("Token {key}", {"settings": {"key": value}})


def test_an_entry_without_its_value_is_empty() -> None:
    """Text whose value is missing comes out empty, so that its entry can be dropped."""
    assert render("Bearer {cred.access_token}", {"settings": {}}) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{a|upper}", "ACME_1"),
        ("{a|host}", "acme-1"),
        ("{b|default:'x'}", "x"),
        ("{a|base64}", "YWNtZV8x"),
        ("{u|strip_scheme}", "acme.example/x"),
        ("{u|bare_label}", "acme"),
        ("{u|urlencode}", "https%3A%2F%2Facme.example%2Fx%2F"),
    ],
)
def test_filters(text: str, expected: str) -> None:
    """Each filter of the closed set does what its name says."""
    values = {"settings": {"a": "acme_1", "u": "https://acme.example/x/"}}

    assert expected == render(text, values)


@pytest.mark.parametrize("text", ["{secrets.x}", "{a|shout}", "{a b}", "{a", "a}"])
def test_a_malformed_template_is_refused(text: str) -> None:
    """A template with an unknown namespace, an unknown filter or a stray brace does not parse."""
    with pytest.raises(ValueError, match=r"brace|namespace|filter"):
        parse(text)


def test_names_tell_what_a_template_needs() -> None:
    """The short form is a setting."""
    assert {("settings", "shop"), ("cred", "access_token")} == names("https://{shop}.x.com/{cred.access_token}")


@pytest.mark.parametrize(
    ("host", "pattern", "expected"),
    [
        ("api.example.com", "api.example.com", True),
        ("API.example.com", "api.example.com", True),
        ("a.b.example.com", "*.example.com", True),
        ("example.com", "*.example.com", False),
        (".example.com", "*.example.com", False),
        ("evil-example.com", "*.example.com", False),
        ("example.com.evil", "*.example.com", False),
        ("www.zohoapis.eu", "www.zohoapis.{com,eu}", True),
        ("www.zohoapis.evil", "www.zohoapis.{com,eu}", False),
        ("127.0.0.1:9000", "127.0.0.1:9000", True),
        ("127.0.0.1:9001", "127.0.0.1:9000", False),
    ],
)
def test_host_patterns(host: str, pattern: str, expected: bool) -> None:
    """A star stands for whole labels, a brace for one of its choices, and nothing else is near enough."""
    assert expected is host_matches(host, [pattern])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://{shop}.myshopify.com/admin", "*.myshopify.com"),
        ("https://api.example.com/v1/{x}", "api.example.com"),
        ("https://{host}/x", None),
        ("https://x.{region}/y", None),
        ("https://{x}.com/y", None),
        ("{api_domain}/y", None),
    ],
)
def test_the_host_that_a_template_is_bound_to(text: str, expected: str | None) -> None:
    """A template binds its host only by a fixed suffix of at least two labels."""
    assert expected == host_pattern(text)


@pytest.mark.parametrize("value", [".", ".."])
@pytest.mark.parametrize("url", ["https://api.example.com/ex/{part}/rest", "https://api.example.com/{part}"])
def test_a_value_is_no_dot_segment(url: str, value: str) -> None:
    """It would take the segment before it away (RFC 3986 section 5.2.4); a dot within a name is a dot."""
    with pytest.raises(ConnectionSettingsError):
        render_url(url, {"settings": {"part": value}}, ["api.example.com"])
    assert render_url(url, {"settings": {"part": "v1.2"}}, ["api.example.com"])


def test_two_values_are_no_dot_segment_together() -> None:
    """Each is harmless alone."""
    with pytest.raises(ConnectionSettingsError):
        render_url("https://api.example.com/{a}{b}/x", {"settings": {"a": ".", "b": "."}}, ["api.example.com"])

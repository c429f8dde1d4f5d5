"""Which URLs may be called, and what the allow list means."""

from __future__ import annotations

import pytest

from holdfast.errors import EgressRefused, SettingsError
from holdfast.outbound import EgressPolicy

INTERNET = EgressPolicy()


@pytest.mark.parametrize(
    ("url", "called", "origin"),
    [
        ("https://api.pipedrive.com/v1/users", "https://api.pipedrive.com/v1/users", "https://api.pipedrive.com"),
        ("https://API.Pipedrive.com/V1", "https://api.pipedrive.com/V1", "https://api.pipedrive.com"),
        ("https://api.pipedrive.com", "https://api.pipedrive.com/", "https://api.pipedrive.com"),
        ("https://api.pipedrive.com?start=0", "https://api.pipedrive.com/?start=0", "https://api.pipedrive.com"),
        ("https://api.pipedrive.com:443/v1", "https://api.pipedrive.com/v1", "https://api.pipedrive.com"),
        ("https://8.8.8.8/dns-query", "https://8.8.8.8/dns-query", "https://8.8.8.8"),
        ("https://[2606:4700:0::1111]/", "https://[2606:4700::1111]/", "https://[2606:4700::1111]"),
        ("https://xn--bcher-kva.example/", "https://xn--bcher-kva.example/", "https://xn--bcher-kva.example"),
        ("https://acme_eu.example.com/", "https://acme_eu.example.com/", "https://acme_eu.example.com"),
    ],
)
def test_https_on_the_internet_may_be_called(url: str, called: str, origin: str) -> None:
    """A plain https URL is taken apart once, with its host in one spelling."""
    to = INTERNET.check_url(url)

    assert (str(to.url), to.origin) == (called, origin)


def test_path_and_query_are_sent_as_they_were_written() -> None:
    """Nothing is decoded, encoded or shortened on the way: a signature over the URL stays valid."""
    to = INTERNET.check_url("https://api.example.com/a%2fb/../c;d=1?q=%7E&filter={%22a%22:1}&e=a+b&u=https://x/@y")

    assert to.url.raw_path_qs == "/a%2fb/../c;d=1?q=%7E&filter={%22a%22:1}&e=a+b&u=https://x/@y"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.example.com",
        "//api.example.com/",
        "/v1/users",
        "https:api.example.com",
        "https:/api.example.com",
        "https:///api.example.com",
        "file:///etc/passwd",
        "gopher://api.example.com/_GET",
        "ftp://api.example.com/",
        "unix:///var/run/docker.sock",
        "http+unix://%2Fvar%2Frun%2Fdocker.sock/info",
        "javascript:alert(1)",
        "https\u200b://api.example.com/",
        "http\u017f://api.example.com/",
    ],
)
def test_another_scheme_is_refused(url: str) -> None:
    """Only a whole URL of scheme https is called."""
    with pytest.raises(EgressRefused):
        INTERNET.check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://user:secret@api.example.com/",
        "https://user@api.example.com/",
        "https://@api.example.com/",
        "https://api.example.com@evil.example/",
        "https://api.example.com:443@evil.example/",
        "https://api.example.com\\@evil.example/",
        "https://api.example.com\\.evil.example/",
        "https:\\\\api.example.com/",
        "https://api.example.com/\\..\\evil",
        "https://api.example.com#@evil.example/",
        "https://api.example.com/#fragment",
        "https://api.example.com;evil.example/",
        "https://api.example.com%00.evil.example/",
        "https://api.example.com%2f@evil.example/",
        "https://api.example.com%2eevil.example/",
        "https://api.example.com\t.evil.example/",
        "https://api.example.com/\r\nHost: evil.example",
        "https://api.example.com/\n",
        "https://api.example.com/a b",
        "https://api.example.com/\x00",
        "https://api.example.com/\x7f",
        "https://api.example.com/\u00e9",
        " https://api.example.com/",
        "https://api.example.com /",
        "https://api.example.com:/",
        "https://api.example.com:0443/",
        "https://api.example.com:0/",
        "https://api.example.com:65536/",
        "https://api.example.com:-1/",
        "https://api.example.com:443:443/",
        "https://api.example.com./",
        "https://api.example.com../",
        "https://.api.example.com/",
        "https://api..example.com/",
        "https://-api.example.com/",
        "https://api-.example.com/",
        "https://*.example.com/",
        "https://api\u3002example\u3002com/",
        "https://api\uff0eexample.com/",
        "https://b\u00fccher.example/",
        "https://api.\u212a.example/",
        f"https://{'a' * 64}.example/",
        f"https://{'a.' * 127}example/",
        "https://api.example.123/",
        "https://api.example.0x1f/",
        "https:///",
        "https://:443/",
        "https://[]/",
        "https://[::1/",
        "https://::1/",
        "https://[api.example.com]/",
        "https://[2606:4700::1111%25eth0]/",
        "https://[2606:4700::1111%eth0]/",
        "https://[8.8.8.8]/",
        "https://[v1.8]/",
        "https://2606:4700::1111/",
        "https://08.8.8.8/",
        "https://localhost/",
        "https://intranet/",
    ],
)
def test_a_url_that_can_be_read_in_two_ways_is_refused(url: str) -> None:
    """Whatever one parser might take for another host is not called at all, and not shown in the error."""
    with pytest.raises(EgressRefused) as refused:
        INTERNET.check_url(url)

    assert "evil" not in str(refused.value)


@pytest.mark.parametrize("port", [22, 25, 80, 5432, 6379, 8443, 65535])
def test_another_port_is_refused_unless_the_connector_declares_it(port: int) -> None:
    """A port other than 443 may be called only if a host pattern of the connector names it."""
    url = f"https://erp.example.com:{port}/api"

    with pytest.raises(EgressRefused, match=f"Port {port}"):
        INTERNET.check_url(url)
    assert INTERNET.check_url(url, ("api.example.com", f"*.example.com:{port}")).port == port


@pytest.mark.parametrize(
    "url", ["http://api.example.com/", "http://api.example.com:443/", "http://api.example.com:8443/"]
)
def test_a_declared_port_does_not_open_plain_http(url: str) -> None:
    """A credential of the Internet never travels unencrypted, on whatever port."""
    with pytest.raises(EgressRefused, match="https only"):
        INTERNET.check_url(url, ("api.example.com", "api.example.com:443", "api.example.com:8443"))


def test_a_port_beyond_the_last_is_refused_even_where_every_port_is_open() -> None:
    """There is no port 65536."""
    with pytest.raises(EgressRefused):
        EgressPolicy.parse("localhost").check_url("http://localhost:65536/")


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("https://api.example.com/", ("api.example.com",)),
        ("https://api.example.com/", ("api.example.com:443",)),
        ("https://api.example.com:443/", ("api.example.com",)),
        ("https://API.EXAMPLE.COM/", ("api.example.com",)),
        ("https://eu.api.example.com/", ("*.example.com",)),
        ("https://na1.example.com/", ("login.example.com", "{na1,eu2}.example.com")),
    ],
)
def test_a_pinned_request_goes_to_the_hosts_of_its_connector(url: str, hosts: tuple[str, ...]) -> None:
    """The host must be named exactly, or stand below a `*.`."""
    assert INTERNET.check_url(url, hosts).port == 443


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("https://evil.example/", ("api.example.com",)),
        ("https://api.example.com.evil.example/", ("api.example.com", "*.example.com")),
        ("https://evil-example.com/", ("*.example.com",)),
        ("https://example.com/", ("*.example.com",)),
        ("https://sub.api.example.com/", ("api.example.com",)),
        ("https://xn--api-example-com.evil.example/", ("*.example.com",)),
        ("https://api.example.com:8443/", ("api.example.com",)),
        ("https://api.example.com/", ("api.example.com:8443",)),
    ],
)
def test_a_pinned_request_goes_nowhere_else(url: str, hosts: tuple[str, ...]) -> None:
    """A name that merely resembles a host of the connector is refused, and so is another port."""
    with pytest.raises(EgressRefused):
        INTERNET.check_url(url, hosts)


def test_a_pin_does_not_open_a_private_address() -> None:
    """A connector cannot allow itself what only the operator may allow."""
    with pytest.raises(EgressRefused):
        INTERNET.check_url("https://10.0.0.5:8443/", ("10.0.0.5:8443",))


@pytest.mark.parametrize(
    ("entry", "url"),
    [
        ("127.0.0.0/8", "http://127.0.0.1:9000/token"),
        ("127.0.0.1", "http://127.0.0.1/token"),
        ("127.0.0.1:9000", "http://127.0.0.1:9000/token"),
        ("::1", "http://[::1]:9000/token"),
        ("[::1]:9000", "http://[::1]:9000/token"),
        ("fd00::/8", "https://[fd00::5]:8443/"),
        ("localhost", "http://localhost:9000/token"),
        ("localhost:9000", "http://localhost:9000/token"),
        ("*.corp.example", "http://erp.corp.example:8080/"),
        ("*.corp.example:8080", "http://erp.corp.example:8080/"),
        ("Keycloak_DB", "http://keycloak_db:8080/"),
        ("10.0.0.0/8", "https://[::ffff:10.1.2.3]/"),
        ("10.0.0.0/8, 192.168.1.5 localhost\n127.0.0.1", "http://192.168.1.5:631/"),
    ],
)
def test_what_the_operator_names_may_be_called(entry: str, url: str) -> None:
    """A named host or address may be called over plain http and, unless the entry has a port, on every port."""
    to = EgressPolicy.parse(entry).check_url(url)

    assert to.url.scheme in url


@pytest.mark.parametrize(
    ("entry", "url"),
    [
        ("127.0.0.1", "http://127.0.0.2:9000/"),
        ("127.0.0.1:9000", "http://127.0.0.1:9001/"),
        ("127.0.0.1:9000", "https://127.0.0.1/"),
        ("localhost:9000", "http://localhost:9001/"),
        ("*.corp.example", "http://corp.example/"),
        ("corp.example", "http://erp.corp.example/"),
        ("10.0.0.0/8", "http://erp.corp.example/"),
        ("10.0.0.0/8", "https://erp.corp.example:8443/"),
        ("10.0.0.0/8", "https://intranet/"),
        ("10.0.0.0/8", "https://172.16.0.1/"),
        ("corp.example", "http://api.example.com/"),
    ],
)
def test_the_allow_list_opens_nothing_beside_what_it_names(entry: str, url: str) -> None:
    """Another address, port or name stays closed; a network names addresses, not the hosts that lead there."""
    with pytest.raises(EgressRefused):
        EgressPolicy.parse(entry).check_url(url)


def test_an_address_is_open_through_its_network_or_the_name_that_led_there() -> None:
    """A private address behind a name needs an entry for its network, or for the name on that port."""
    policy = EgressPolicy.parse("10.1.0.0/16, vault.corp.example:8200")

    policy.check_address("erp.corp.example", "10.1.2.3")
    policy.check_address("vault.corp.example", "192.168.7.7", 8200)
    policy.check_address("erp.corp.example", "64:ff9b::a01:203")
    for host, address, port in [("erp.corp.example", "10.2.0.1", 443), ("vault.corp.example", "192.168.7.7", 443)]:
        with pytest.raises(EgressRefused) as refused:
            policy.check_address(host, address, port)
        assert address not in str(refused.value)


def test_an_answer_that_is_no_address_is_refused() -> None:
    """What cannot be read as an address cannot be called."""
    with pytest.raises(EgressRefused):
        EgressPolicy.parse("erp.corp.example").check_address("erp.corp.example", "010.0.0.1")


@pytest.mark.parametrize(
    "entry",
    [
        "10.0.0.1/8",
        "10.0.0.0/33",
        "10.0.0.0/8:443",
        "300.1.1.1",
        "127.1",
        "https://erp.corp.example",
        "erp.corp.example/",
        "erp.corp.example:0",
        "erp.corp.example:70000",
        "erp.corp.example:https",
        "erp.*.example",
        "*",
        "*.",
        "-erp.example",
        "[::1",
        "[erp.example]:443",
        "b\u00fccher.example",
    ],
)
def test_a_bad_entry_is_named(entry: str) -> None:
    """A mistake in the allow list stops the start and says which entry it is."""
    with pytest.raises(SettingsError) as error:
        EgressPolicy.parse(f"10.0.0.0/8, {entry}, localhost")

    assert repr(entry) in str(error.value)


def test_an_empty_allow_list_allows_nothing_private() -> None:
    """Unset, blank and absent are the same policy."""
    assert EgressPolicy.parse("  ") == EgressPolicy.parse("") == INTERNET

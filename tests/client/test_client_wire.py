"""What the client puts on the wire: credentials, headers, addresses; and where redirects may carry them."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from recorded_vault import API_KEY, RecordedVault, http, recorded

from openapi_client import ApiClient, ApiException, ApiValueError, Configuration, ConnectionsApi

LINK = ("pipedrive", "app_8FJm2q", "eyJhbGciOiJIUzI1NiJ9.eyJqdGkiOiJhIn0.c2ln", "https://app.example/integrations")


def ask(api: ConnectionsApi, **options: Any) -> Any:
    return api.connections_one("test-consumer", "app_8FJm2q", "pipedrive", "crm", **options)


def test_the_key_goes_as_it_is(api: ConnectionsApi, vault: RecordedVault) -> None:
    """Without a prefix the Authorization header is the key alone."""
    ask(api)

    assert vault.asked[0].headers["authorization"] == API_KEY


def test_a_prefix_goes_before_the_key(api: ConnectionsApi, vault: RecordedVault, configuration: Configuration) -> None:
    """`api_key_prefix` makes it `Bearer KEY`, from the next call on."""
    configuration.api_key_prefix["apiKey"] = "Bearer"

    ask(api)

    assert vault.asked[0].headers["authorization"] == f"Bearer {API_KEY}"


def test_without_a_key_there_is_no_credential(vault: RecordedVault) -> None:
    """An unset key, or None out of an unset environment variable, sends no Authorization header."""
    for api_key in ({}, {"apiKey": None}, {"apiKey": ""}):
        with ApiClient(Configuration(host=vault.url, api_key=api_key)) as client:  # type: ignore[arg-type]
            ask(ConnectionsApi(client))

    assert all("authorization" not in asked.headers for asked in vault.asked)


def test_links_of_the_browser_carry_no_key(api: ConnectionsApi, vault: RecordedVault) -> None:
    """Authorize, revoke and callback are opened without the API key: their state is the credential."""
    api.connections_authorize(*LINK)
    api.connections_revoke(*LINK)
    api.connections_callback(LINK[2], "g0ZGZmNjVmOWI")

    assert all("authorization" not in asked.headers for asked in vault.asked)


def test_one_call_may_use_another_credential(api: ConnectionsApi, vault: RecordedVault) -> None:
    """`_request_auth` replaces the configured key for one call."""
    ask(api, _request_auth={"type": "api_key", "in": "header", "key": "Authorization", "value": "Bearer session"})
    ask(api)

    assert [asked.headers["authorization"] for asked in vault.asked] == ["Bearer session", API_KEY]


@pytest.mark.parametrize("auth", [{}, {"in": "query", "key": "key", "value": "v"}, {"in": "header", "key": "k"}])
def test_a_credential_is_never_put_into_a_url(api: ConnectionsApi, vault: RecordedVault, auth: dict[str, str]) -> None:
    """Any `_request_auth` but a header is refused."""
    with pytest.raises(ApiValueError, match="_request_auth is"):
        ask(api, _request_auth=auth)

    assert vault.asked == []


def test_headers_of_one_call_win_over_all_others(api: ConnectionsApi, vault: RecordedVault) -> None:
    """`_headers` replaces default, own and credential headers, whatever the case of their names."""
    api.api_client.set_default_header("X-Trace", "default")

    ask(api, _headers={"AUTHORIZATION": "Bearer session", "x-trace": "this", "X-Apideck-Auth-Type": "JWT"})

    headers = vault.asked[0].headers
    assert headers["authorization"] == "Bearer session"
    assert headers["x-trace"] == "this"
    assert headers["x-apideck-auth-type"] == "JWT"


def test_default_headers_and_cookie_go_with_every_request(vault: RecordedVault, configuration: Configuration) -> None:
    """A header and a cookie given to the client are sent, on keyed calls and on links."""
    with ApiClient(configuration, "X-Trace", "abc", cookie="__Host-vf_1a2b3c4d=wJ9") as client:
        ask(ConnectionsApi(client))
        ConnectionsApi(client).connections_callback(LINK[2], "g0ZGZmNjVmOWI", _follow_redirects=False)

    assert [asked.headers["x-trace"] for asked in vault.asked] == ["abc", "abc"]
    assert [asked.headers["cookie"] for asked in vault.asked] == ["__Host-vf_1a2b3c4d=wJ9"] * 2


def test_the_client_names_itself(api: ConnectionsApi, vault: RecordedVault) -> None:
    """The User-Agent tells the client and its version, unless the program sets its own."""
    ask(api)
    api.api_client.set_default_header("User-Agent", "acme/1.0")
    ask(api)

    assert vault.asked[0].headers["user-agent"].startswith("holdfast-client/")
    assert vault.asked[1].headers["user-agent"] == "acme/1.0"


def test_a_content_type_may_be_given(api: ConnectionsApi, vault: RecordedVault) -> None:
    """`_content_type` names the body's type and does nothing where there is no body."""
    api.connections_token("test-consumer", "app_8FJm2q", "exact", "accounting", {}, _content_type="application/x+json")
    ask(api, _content_type="application/x+json", _host_index=0)

    assert vault.asked[0].headers["content-type"] == "application/x+json"
    assert "content-type" not in vault.asked[1].headers


def test_path_parameters_are_encoded(api: ConnectionsApi, vault: RecordedVault) -> None:
    """Whatever an id holds, it stays one segment of the path."""
    api.connections_delete("test-consumer", "app_8FJm2q", "a/b?c#d e+f%", "crm")

    assert vault.asked[0].target == "/vault/connections/crm/a%2Fb%3Fc%23d%20e%2Bf%25"


@pytest.mark.parametrize("path", ["", "/", "/holdfast", "/holdfast/"])
def test_the_vault_may_live_below_a_path(vault: RecordedVault, path: str) -> None:
    """The host's own path comes first, with or without a slash at its end."""
    with ApiClient(Configuration(host=vault.url + path)) as client:
        ask(ConnectionsApi(client))

    assert vault.asked[0].target == path.rstrip("/") + "/vault/connections/crm/pipedrive"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:8000",
        "",
        "ftp://vault.example",
        "http://",
        "https://user:pw@vault.example",
        "https://v/?a=1",
        7,
        None,
    ],
)
def test_a_host_that_is_no_address_is_refused(host: Any) -> None:
    """The mistake shows where the host is set, not at the first call."""
    configuration = Configuration()

    with pytest.raises(ApiValueError, match="host is an http or https URL") as refused:
        configuration.host = host

    assert "pw" not in str(refused.value)


@pytest.mark.parametrize("key", [API_KEY + "\n", "sk_live_\r\nX-Evil: 1", "sk_live_\N{SNOWMAN}", 42])
def test_a_key_that_no_header_can_carry_is_refused_without_being_shown(vault: RecordedVault, key: Any) -> None:
    """A key read from a file with its line break is named as the header it spoils, and not quoted."""
    with (
        ApiClient(Configuration(host=vault.url, api_key={"apiKey": key})) as client,
        pytest.raises(ApiValueError, match="The header Authorization cannot be sent") as refused,
    ):
        ask(ConnectionsApi(client))

    assert "sk_live" not in str(refused.value)
    assert vault.asked == []


def test_a_header_with_a_wrong_name_is_refused(api: ConnectionsApi) -> None:
    """A header's name cannot smuggle in another header."""
    with pytest.raises(ApiValueError, match="cannot be sent"):
        ask(api, _headers={"X-One: 1\r\nX-Two": "2"})


def test_a_proxy_gets_the_request_and_its_own_credential(start_vault: Callable[[], RecordedVault]) -> None:
    """With a proxy the request line is absolute, and user and password go into Proxy-Authorization."""
    proxy = start_vault()
    address = proxy.url.replace("http://", "http://acme:s3same@")
    with ApiClient(Configuration(host="http://vault.invalid:8000", proxy=address)) as client:
        ask(ConnectionsApi(client))

    assert proxy.asked[0].target == "http://vault.invalid:8000/vault/connections/crm/pipedrive"
    assert proxy.asked[0].headers["proxy-authorization"] == "Basic YWNtZTpzM3NhbWU="


def test_a_proxy_that_is_none_is_refused() -> None:
    """What is not the address of an http proxy is told before anything is sent."""
    api = ConnectionsApi(ApiClient(Configuration(proxy="socks5://127.0.0.1:1080")))

    with pytest.raises(ApiValueError, match=r"configuration\.proxy is an http or https URL"):
        ask(api)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_links_follow_redirects_to_the_end(
    api: ConnectionsApi, vault: RecordedVault, start_vault: Callable[[], RecordedVault], status: int
) -> None:
    """The links end where a browser would, and the twin tells where that is, fragment included."""
    product = start_vault()
    product.answers(200, b"<p>Connected</p>", content_type="text/html")
    vault.answers(status, location=f"{product.url}/integrations?tab=1#confirm_token=c1")

    response = api.connections_callback_with_http_info(LINK[2], "g0ZGZmNjVmOWI")

    assert response.data is None
    assert response.status_code == 200
    assert response.raw_data == b"<p>Connected</p>"
    assert response.url == f"{product.url}/integrations?tab=1#confirm_token=c1"
    assert [asked.target for asked in product.asked] == ["/integrations?tab=1"]


def test_another_origin_sees_nothing_of_the_caller(
    vault: RecordedVault, start_vault: Callable[[], RecordedVault]
) -> None:
    """Another port is another origin: neither credential, cookie nor own headers travel there, or back from it."""
    provider = start_vault()
    vault.answer = lambda asked: (
        recorded(asked) if asked.path == "/consent" else http(302, location=f"{provider.url}/oauth/authorize")
    )
    provider.answers(302, location=f"{vault.url}/consent")
    with ApiClient(Configuration(host=vault.url), "X-Api-Token", "t0p", cookie="__Host-vf_1=w") as client:
        client.set_default_header("Authorization", f"Bearer {API_KEY}")
        ConnectionsApi(client).connections_authorize(*LINK, _headers={"X-Other": "s3cret"})

    private = {"authorization", "cookie", "x-api-token", "x-other"}
    assert private <= set(vault.asked[0].headers)
    assert private.isdisjoint(provider.asked[0].headers)
    assert private.isdisjoint(vault.asked[1].headers)


def test_the_same_origin_keeps_the_cookie(vault: RecordedVault) -> None:
    """A redirect within the vault is still the vault's."""
    with ApiClient(Configuration(host=vault.url), cookie="__Host-vf_1=w") as client:
        ConnectionsApi(client).connections_authorize(*LINK)

    assert [(asked.path, asked.headers["cookie"]) for asked in vault.asked] == [
        ("/vault/authorize/pipedrive/app_8FJm2q", "__Host-vf_1=w"),
        ("/consent", "__Host-vf_1=w"),
    ]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_keyed_call_is_not_redirected(
    api: ConnectionsApi, vault: RecordedVault, start_vault: Callable[[], RecordedVault], status: int
) -> None:
    """A call with an API key goes nowhere else: the caller learns that the host is not the vault's address."""
    elsewhere = start_vault()
    vault.answers(status, location=f"{elsewhere.url}/vault/connections/crm/pipedrive")

    with pytest.raises(ApiException, match=r"Set configuration\.host") as refused:
        ask(api)

    assert refused.value.status == status
    assert refused.value.headers is not None
    assert refused.value.headers["location"].startswith(elsewhere.url)
    assert elsewhere.asked == []


def test_a_redirect_can_be_the_answer(api: ConnectionsApi, vault: RecordedVault) -> None:
    """With `_follow_redirects=False` a server-side program learns the consent page and the cookie itself."""
    vault.answers(301, location="https://oauth.pipedrive.com/oauth/authorize?state=f1", set_cookie="__Host-vf_1=w")

    response = api.connections_authorize_with_http_info(*LINK, _follow_redirects=False)

    assert (response.status_code, response.data) == (301, None)
    assert response.headers["Location"] == "https://oauth.pipedrive.com/oauth/authorize?state=f1"
    assert response.headers["Set-Cookie"] == "__Host-vf_1=w"


@pytest.mark.parametrize("location", ["acme-app://connected?service_id=pipedrive", "about:blank"])
def test_a_redirect_into_an_app_ends_there(api: ConnectionsApi, vault: RecordedVault, location: str) -> None:
    """A custom scheme (RFC 8252 section 7.1) is nothing to request: the redirect is the answer."""
    vault.answers(301, location=location)

    response = api.connections_callback_with_http_info(LINK[2], "g0ZGZmNjVmOWI")

    assert (response.status_code, response.headers["Location"]) == (301, location)


def test_redirects_end(api: ConnectionsApi, vault: RecordedVault) -> None:
    """A circle of redirects is given up after ten, without showing what the URLs say."""
    vault.answer = lambda asked: http(302, location=asked.target)

    with pytest.raises(ApiException, match="More than 10 redirects") as given_up:
        api.connections_authorize(*LINK)

    assert len(vault.asked) == 10
    assert LINK[2] not in str(given_up.value)


@pytest.mark.parametrize("location", ["http://[half", "http://a:99999999/", "//[", "http://exa mple:port/"])
def test_a_redirect_to_no_url_is_told(api: ConnectionsApi, vault: RecordedVault, location: str) -> None:
    """A broken Location header is an `ApiException`."""
    vault.answers(302, location=location)

    with pytest.raises(ApiException):
        api.connections_authorize(*LINK)


def test_nothing_secret_is_logged(
    api: ConnectionsApi, caplog: pytest.LogCaptureFixture, configuration: Configuration
) -> None:
    """At INFO no link's state or code is logged; at DEBUG still no API key."""
    configuration.api_key_prefix["apiKey"] = "Bearer"
    with caplog.at_level(logging.INFO):
        api.connections_authorize(*LINK)
        api.connections_callback(LINK[2], "g0ZGZmNjVmOWI")
    at_info = caplog.text
    with caplog.at_level(logging.DEBUG):
        ask(api)

    assert LINK[2] not in at_info
    assert "g0ZGZmNjVmOWI" not in at_info
    assert API_KEY not in caplog.text


def test_a_closed_client_can_be_used_again(api: ConnectionsApi, vault: RecordedVault) -> None:
    """`close` ends connections, not the client."""
    ask(api)
    api.api_client.close()
    api.api_client.close()
    ask(api)

    assert len(vault.asked) == 2


def test_the_configuration_does_not_show_the_key() -> None:
    """`repr` and `str` name the key's entry and mask its value, and leave the proxy's password out."""
    configuration = Configuration(api_key={"apiKey": API_KEY}, proxy="http://acme:s3same@127.0.0.1:3128")

    assert repr(configuration) == "Configuration(host='http://127.0.0.1:8000', api_key={'apiKey': '***'})"
    assert str(configuration) == repr(configuration)


def test_a_client_that_was_used_goes_to_another_process(api: ConnectionsApi, vault: RecordedVault) -> None:
    """Its connections stay behind; what it was set up with comes along, and it opens new ones."""
    api.api_client.set_default_header("X-Team", "red")
    ask(api)

    arrived = pickle.loads(pickle.dumps(api))  # noqa: S301 - ours
    ask(arrived)

    assert arrived.api_client.rest_client is not api.api_client.rest_client
    assert vault.asked[-1].headers["authorization"] == API_KEY
    assert vault.asked[-1].headers["x-team"] == "red"

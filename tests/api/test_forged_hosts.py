"""Every address that an answer holds is made from the configured one, never from what a request says of itself."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from dance import begin

from holdfast.testing.asgi import call
from holdfast.testing.harness import PUBLIC_URL, RETURN_TO, SERVICE, Deployment

EVIL = "evil.example"
HEADERS = (
    ("x-forwarded-host", EVIL),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-for", "203.0.113.7"),
    ("x-forwarded-prefix", "/evil"),
    ("x-original-url", "/manage/applications"),
    ("x-rewrite-url", "/manage/applications"),
    ("x-http-method-override", "DELETE"),
    ("forwarded", f"host={EVIL};proto=https"),
    ("origin", f"https://{EVIL}"),
    ("referer", f"https://{EVIL}/cb"),
)
HOSTS = (
    EVIL,
    f"{EVIL}:8000",
    "127.0.0.1:8000@evil.example",
    "127.0.0.1:99999999",
    "[",
    "[::1",
    "",
    "a b",
    "\xe9",
    "x" * 300,
)
PATHS = (
    "/vault/connections",
    f"/vault/connections/crm/{SERVICE}",
    "/openapi.json",
    "/nothing/here",
    f"/vault/connections/crm/{SERVICE}/",
    "/vault/callback?state=x&code=y",
    "/health",
)


@pytest.mark.parametrize("host", HOSTS)
async def test_a_forged_host_is_in_no_answer(vault: Deployment, host: str) -> None:
    """Also a malformed one is answered, not stumbled over."""
    own = [
        ("authorization", vault.api_key),
        ("x-apideck-app-id", vault.application_id),
        ("x-apideck-consumer-id", vault.consumer),
    ]

    async def forged(scope: object, receive: object, send: object) -> None:
        assert isinstance(scope, dict)
        rest = [(name, value) for name, value in scope["headers"] if name != b"host"]
        scope["headers"] = [(b"host", host.encode("latin-1")), *rest]
        await vault.app(scope, receive, send)  # type: ignore[arg-type]

    for path in PATHS:
        answer = await call(forged, "GET", PUBLIC_URL + path, [*HEADERS, *own])
        assert answer.status < 500, path
        assert EVIL not in answer.body.decode() + repr(answer.headers), path


async def test_a_flow_under_a_forged_host_stays_ours(vault: Deployment) -> None:
    """The callback that the provider is told, and the page in the end, are those that were configured."""
    link = urlsplit(await vault.authorize_url())
    answer = await call(vault.app, "GET", f"http://{EVIL}{link.path}?{link.query}", HEADERS)
    begun = await begin(vault)

    asked = answer.header("location")
    assert asked.startswith("http://127.0.0.1:9000/oauth/authorize?")
    assert EVIL not in asked
    assert begun.asked["redirect_uri"].startswith(f"{PUBLIC_URL}/vault/callback/")


async def test_a_callback_goes_back_to_no_referrer(vault: Deployment) -> None:
    """Without a state there is nowhere to go, and the Referer is no place."""
    answer = await call(vault.app, "GET", f"{PUBLIC_URL}/vault/callback?code=x", HEADERS)

    assert answer.status == 400
    assert not answer.header("location")


async def test_the_method_and_the_path_are_those_of_the_request_line(vault: Deployment) -> None:
    """Headers that some frameworks obey instead are only headers."""
    await vault.connect()

    reply = await vault.get(f"/vault/connections/crm/{SERVICE}", headers=dict(HEADERS))

    assert (reply.status, reply.data["state"]) == (200, "callable")
    assert (await vault.connection())["state"] == "callable"
    assert reply.data["authorize_url"].startswith(f"{PUBLIC_URL}/vault/authorize/")
    assert RETURN_TO not in reply.text

"""Every error looks the same: six members, its own status, and CORS, so that a page can read it."""

from __future__ import annotations

import json

import pytest

from holdfast.testing.asgi import call
from holdfast.testing.harness import ADMIN_TOKEN, PUBLIC_URL, SERVICE, Deployment, Reply

ONE = f"/vault/connections/crm/{SERVICE}"
MEMBERS = {"status_code", "error", "type_name", "message", "detail", "ref"}
BROWSER = (
    f"/vault/authorize/{SERVICE}/no-such-application?state=x",
    "/vault/callback?state=x",
    f"/vault/revoke/{SERVICE}/no-such-application?state=x",
)


async def errors(vault: Deployment) -> dict[int, list[Reply]]:
    """Errors of every kind that a request alone can bring about, by the status that they should have."""
    nobody = {"authorization": None}
    return {
        400: [
            await vault.patch(ONE, body=b"{"),
            await vault.patch(ONE),
            await vault.patch(ONE, json={"enabled": "yes"}),
            await vault.get(ONE, headers={"x-apideck-app-id": None}),
            await vault.get("/vault/connections?configured=perhaps"),
            await vault.get(f"/vault/connections?api={'a' * 20_000}"),
        ],
        401: [await vault.get(ONE, headers=nobody), await vault.get("/manage/applications")],
        404: [
            await vault.get("/nothing"),
            await vault.get("/nothing/here"),
            await vault.get("/vault/connections/crm/no-such-service"),
            await vault.get("/vault/connections/crm/pipedrive"),
            await vault.get(f"{ONE}%2f"),
            await vault.get(f"{ONE}/no-such-resource/config"),
            await vault.delete(ONE),
            await vault.manage("GET", "/applications/no-such-application"),
        ],
        405: [await vault.request("PUT", ONE), await vault.request("DELETE", "/vault/connections")],
        413: [await vault.patch(ONE, body=b" " * (1 << 20) + b"{}")],
        415: [await vault.patch(ONE, body=b"{}", headers={"content-type": "text/plain"})],
        422: [
            await vault.get(f"{ONE}/leads/config"),
            await vault.get(f"{ONE}/leads/custom-fields"),
        ],
    }


async def test_every_error_has_the_six_members(vault: Deployment) -> None:
    """The body's status is the answer's, `detail` is a text or an object, and `ref` is where clients look it up."""
    for status, replies in (await errors(vault)).items():
        for reply in replies:
            body = reply.body
            assert (reply.status, body["status_code"], set(body)) == (status, status, MEMBERS), reply.text
            assert isinstance(body["detail"], str | dict)
            assert body["ref"] == f"https://developers.apideck.com/errors#{body['type_name'].lower()}"
            assert reply.headers["content-type"] == "application/json"


async def test_every_answer_can_be_named(vault: Deployment) -> None:
    """A request id of its own; and no browser guesses at a type."""
    replies = [reply for found in (await errors(vault)).values() for reply in found]

    assert len({reply.headers["x-apideck-request-id"] for reply in replies}) == len(replies)
    assert {reply.headers["x-content-type-options"] for reply in replies} == {"nosniff"}


async def test_a_405_says_what_is_allowed(vault: Deployment) -> None:
    """RFC 9110 section 15.5.6."""
    answer = await call(vault.app, "PUT", PUBLIC_URL + ONE)

    assert set(answer.header("allow").split(", ")) == {"GET", "PATCH", "POST", "DELETE"}


@pytest.mark.parametrize(
    "path", [ONE, "/vault/connections", f"{ONE}/import", f"{ONE}/leads/config", f"{ONE}/confirm", "/vault/nothing/here"]
)
async def test_a_page_may_ask_whether_it_may_ask(vault: Deployment, path: str) -> None:
    """A CORS preflight is answered without a key: all methods, the API's headers, no credentials of the browser."""
    asked = [("origin", "https://app.example.com"), ("access-control-request-method", "PATCH")]

    answer = await call(vault.app, "OPTIONS", PUBLIC_URL + path, asked)

    assert answer.status in (200, 204)
    assert answer.header("access-control-allow-origin") == "*"
    assert {"GET", "POST", "PATCH", "PUT", "DELETE"} <= set(answer.header("access-control-allow-methods").split(", "))
    allowed = set(answer.header("access-control-allow-headers").split(", "))
    assert {"authorization", "content-type", "x-apideck-app-id", "x-apideck-consumer-id"} <= allowed
    assert {"x-apideck-auth-type", "x-apideck-service-id"} <= allowed
    assert not answer.header("access-control-allow-credentials")


async def test_a_page_can_read_an_error(vault: Deployment) -> None:
    """Without the header a browser hides the answer, and with it what was wrong."""
    for path, key in (
        (ONE, None),
        (ONE, "wrong"),
        ("/vault/nothing", vault.api_key),
        (ONE + "/x/config", vault.api_key),
    ):
        reply = await vault.get(path, headers={"authorization": key})
        assert reply.status >= 400
        assert reply.headers["access-control-allow-origin"] == "*", reply.text


@pytest.mark.parametrize(
    "path", ["/manage/applications", "/metrics", "/docs", "/openapi.json", "/health", "/ready", "/nothing/here"]
)
async def test_pages_of_other_origins_call_the_vault_s_api_alone(vault: Deployment, path: str) -> None:
    """No CORS on what an operator asks; a preflight of it is a method that is not answered."""
    origin = ("origin", "https://evil.example")
    asked = [origin, ("access-control-request-method", "GET")]
    for method, sent in (("GET", [origin, ("authorization", f"Bearer {ADMIN_TOKEN}")]), ("OPTIONS", asked)):
        answer = await call(vault.app, method, PUBLIC_URL + path, sent)
        assert not [name for name, _ in answer.headers if name.startswith("access-control-")]
        assert (method, answer.status) not in {("OPTIONS", 200), ("OPTIONS", 204)}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/vault/connections"), ("GET", ONE), ("GET", "/vault/nothing"), ("POST", f"{ONE}/callback-state"),
        ("POST", "/manage/applications"), ("GET", "/manage/applications"),
    ],
)  # fmt: skip
async def test_nobody_on_the_way_keeps_an_answer_with_a_key_a_state_or_a_link(
    vault: Deployment, method: str, path: str
) -> None:
    """`Cache-Control: no-store`, once, on every answer of the API, errors included."""
    key = ADMIN_TOKEN if path.startswith("/manage") else vault.api_key
    reply = await vault.request(method, path, json={"name": "Acme"}, headers={"authorization": f"Bearer {key}"})
    assert reply.headers["cache-control"] == "no-store"


async def test_metrics_do_not_tell_which_python_runs(vault: Deployment) -> None:
    """Whoever reads them would know its holes."""
    text = (await vault.get("/metrics")).text
    assert "holdfast_jobs" in text
    assert "python_info" not in text


@pytest.mark.parametrize("path", BROWSER)
async def test_no_page_reads_the_browser_s_endpoints(vault: Deployment, path: str) -> None:
    """They are opened, never read (RFC 9700 section 2.6); their errors have the six members all the same."""
    for method in ("GET", "OPTIONS"):
        answer = await call(vault.app, method, PUBLIC_URL + path, [("origin", "https://evil.example")])
        assert set(json.loads(answer.body)) == MEMBERS
        assert not [name for name, _ in answer.headers if name.startswith("access-control-")]


async def test_a_request_that_comes_in_pieces_of_nonsense_is_answered(vault: Deployment) -> None:
    """Odd methods, paths and headers: a 4xx each, and never a word about what is inside."""
    for method, path in (("FOO", ONE), ("TRACE", ONE), ("CONNECT", "/"), ("GET", "/" + "a" * 9000), ("GET", "/%00")):
        answer = await call(vault.app, method, PUBLIC_URL + path, [("authorization", ADMIN_TOKEN)])
        assert 400 <= answer.status < 500, method
        assert set(json.loads(answer.body)) == MEMBERS
        assert "holdfast" not in answer.body.decode()

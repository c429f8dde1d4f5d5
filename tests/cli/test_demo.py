"""`holdfast demo`: tells what happens, notices what does not, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
from urllib.parse import urlsplit

import pytest
from executable import Holdfast

from holdfast.testing.browser import Browser

STEPS = [
    "A provider starts", "The vault starts", "Application created", "Integration set up",
    "A customer opens the connect link", "The customer consents at the provider", "The connection is callable",
    "The product uses it", "The access token expires", "A node is killed in the middle of a refresh",
    "At rest, everything secret is sealed", "The customer disconnects", "And connects again",
]  # fmt: skip


@pytest.fixture
def holdfast(holdfast: Holdfast) -> Holdfast:
    """The command, with a place of its own for temporary files, and with settings that the demo must not read."""
    holdfast.settings |= {"TMPDIR": str(holdfast.directory), "HOLDFAST_DATABASE_URL": "postgresql://127.0.0.1:1/no"}
    return holdfast


def left_behind(holdfast: Holdfast) -> list[str]:
    return [file.name for file in holdfast.directory.iterdir() if not file.name.startswith("stderr")]


def test_the_story_is_told_to_its_end(holdfast: Holdfast) -> None:
    """Every step happens in its order; then the process ends with status 0 and its directory is gone."""
    told = holdfast.run("demo", "--exit", "--port", "0")

    assert (told.status, told.err) == (0, "")
    assert re.findall(r"^✓ (.*?)  [\d,]+ ms$", told.out, re.MULTILINE) == STEPS
    assert re.search(r"Refreshes +2 ", told.out)
    assert left_behind(holdfast) == []


def test_nothing_but_text_goes_into_a_pipe(holdfast: Holdfast) -> None:
    """Whoever redirects the story gets no escape sequences, and no secret."""
    told = holdfast.run("demo", "--exit", "--port", "0")

    assert "\x1b" not in told.out
    assert not re.search(r"hf_live_|hf_admin_|sbx_", told.out)


@pytest.mark.parametrize(
    ("endpoint", "fails"),
    [
        ("authorize", "A customer opens the connect link"),
        ("token", "The customer consents at the provider: the callback says: The service gave no token"),
        ("token:refresh_token", "The access token expires: "),
        ("revoke", "The customer disconnects: the grant lives on at the provider."),
    ],
)
def test_a_provider_that_fails_fails_the_demo(holdfast: Holdfast, endpoint: str, fails: str) -> None:
    """The step that did not work is named on standard error, the status is 1, and nothing is left behind."""
    told = holdfast.run("demo", "--exit", "--port", "0", "--break", endpoint)

    assert told.status == 1
    assert told.err.splitlines()[-1].startswith(f"Error: {fails}")
    assert "Traceback" not in told.err
    assert left_behind(holdfast) == []


async def test_what_it_invites_to_works(holdfast: Holdfast) -> None:
    """The link connects an account, and the curl command shows it, until Ctrl-C ends the demo with status 0."""
    running = holdfast.start("demo", "--port", "0")
    link = running.line(r"^(http://\S+/vault/authorize/\S+)$")[1]
    running.line("^Requests, as they come")
    curl = "\n".join(running.lines).partition("curl ")[2].partition("\n\n")[0]

    asked = await Browser().visit(link)
    page = await (await asked.allow()).allow()
    shown = await asyncio.to_thread(subprocess.check_output, ["bash", "-c", f"curl {curl}"], text=True)

    assert page.status == 200
    assert "is connected" in page.text
    assert '"state":"callable"' in shown
    assert running.line(r"provider +POST +/oauth/token  authorization_code")
    assert running.line(r"vault +GET +/vault/connections/\{unified_api\}/\{service_id\}")
    assert running.stop(signal.SIGINT) == 0
    assert left_behind(holdfast) == []


def test_a_recording_is_what_was_printed(holdfast: Holdfast) -> None:
    """The SVG holds every step, loads nothing from another host and shows no secret."""
    holdfast.run("demo", "--exit", "--port", "0", "--record", "demo.svg")

    drawing = (holdfast.directory / "demo.svg").read_text("utf-8").replace("&#160;", " ")
    assert [step for step in STEPS if step not in drawing] == []
    assert "url(http" not in drawing.replace('"', "")
    assert not re.search(r"hf_live_|hf_admin_|sbx_", drawing)


def test_a_port_that_is_taken_is_told(holdfast: Holdfast) -> None:
    """A port that was asked for is not silently another one."""
    running = holdfast.start("demo", "--port", "0")
    port = urlsplit(running.line(r"(http://127\.0\.0\.1:\d+), open after")[1]).port

    refused = holdfast.run("demo", "--exit", "--port", str(port))

    assert refused.status == 1
    assert f"127.0.0.1:{port} cannot be listened on" in refused.err

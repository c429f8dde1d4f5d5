"""README.md: what it says to type works, in the order in which it says so."""

from __future__ import annotations

import json
from pathlib import Path

from documents import ROOT, Block, opened


def test_the_first_steps_work(tmp_path: Path) -> None:
    """Serve, create an application, offer a service, list, make a link with the Python client, ask for fields."""
    with opened("README.md", tmp_path) as (blocks, shell):
        serve, create, offer, link, show, use = blocks
        shell.run(Block("sh", f"{serve.text.strip()} > vault.log 2>&1 &"))
        shell.run(
            Block("sh", "curl --silent --retry 30 --retry-delay 1 --retry-connrefused $HOLDFAST_PUBLIC_URL/ready")
        )
        shell.run(create)

        offered = shell.run(offer)
        shown = json.loads(shell.run(show))["data"]
        linked = shell.run(link)
        used = json.loads(shell.run(use))

    assert "/vault/callback" in offered
    assert [(c["service_id"], c["state"]) for c in shown] == [("pipedrive", "available")]
    assert "/vault/authorize/pipedrive/" in linked
    assert linked.endswith("&redirect_uri=https%3A%2F%2Fapp.example.com%2Fintegrations")
    assert (used["status_code"], used["detail"]) == (422, "The connection is not authorized yet.")


def test_the_picture_is_a_recording_of_this_demo() -> None:
    """The SVG shows the steps that the demo has today, and loads nothing from another host."""
    from holdfast.demo.story import Story

    drawing = (ROOT / "docs/images/demo.svg").read_text("utf-8").replace("&#160;", " ")
    titles = [title for title, _ in Story(None, None).steps()]  # type: ignore[arg-type]

    assert [title for title in titles if title not in drawing] == []
    assert "url(" not in drawing.replace("url(#", "")

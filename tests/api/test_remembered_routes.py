"""Routes that are remembered by their path."""

from __future__ import annotations

from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from holdfast.http.routes import KNOWN, KNOWN_LENGTH, Routes


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None: ...


def _routes() -> Routes:
    class Nothing:
        __call__ = staticmethod(_nothing)

    return Routes([Route("/things/{id}", Nothing(), methods=["GET"])])


def test_the_parameters_of_a_remembered_path_are_each_callers_own() -> None:
    """Whoever changes the parameters that it was given changes those of no later request."""
    routes = _routes()
    for _ in range(3):
        found = routes.find("GET", "/things/1")
        assert found is not None
        assert found[1] == {"id": "1"}
        found[1]["body"] = "somebody's"


def test_paths_that_somebody_makes_up_are_not_kept_for_ever() -> None:
    """As many paths as somebody likes, however long, take no more memory than the bound says."""
    routes = _routes()
    for number in range(KNOWN * 2 + 10):
        assert routes.find("GET", f"/things/{number}") is not None
    assert routes.find("GET", "/things/" + "x" * KNOWN_LENGTH) is not None

    assert 0 < len(routes) <= KNOWN
    assert routes.find("GET", "/nothing") is None

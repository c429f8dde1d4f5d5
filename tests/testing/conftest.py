"""A provider at the default shape, an application that uses it, and a clock that both share."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from oauth_app import App

from holdfast.testing.clock import TestClock
from holdfast.testing.provider import SandboxProvider, Shape
from holdfast.testing.provider.crm import SCOPES


@pytest.fixture
def clock() -> TestClock:
    return TestClock()


@pytest.fixture
def app_of(clock: TestClock) -> Callable[..., App]:
    """An application at a provider of some shape: `app_of(lifetimes=Lifetimes(rotation="strict"))`."""
    return lambda **shape: App(SandboxProvider(clock=clock, shape=Shape(scopes=SCOPES, **shape)))


@pytest.fixture
def app(app_of: Callable[..., App]) -> App:
    return app_of()

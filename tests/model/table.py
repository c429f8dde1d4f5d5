"""Every line, in the order in which it is printed."""

from __future__ import annotations

from tests.model.breaking import breaking
from tests.model.holding import holding

TABLE = [*holding(), *breaking()]

"""What a service says of how much it lets itself be asked: heeded after a refusal, told in metrics otherwise."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Final

from prometheus_client import Counter, Histogram

from holdfast.domain.exchange import Response
from holdfast.errors import RequestLimitError
from holdfast.grants.lifetime import seconds_to_wait, seconds_until
from holdfast.usecases.subject import Subject
from holdfast.usecases.vault import Vault

TOO_MANY: Final = 429

REFUSED = Counter("holdfast_rate_limited", "Calls that a service answered with 429, or that were spared it.", ["what"])
LEFT = Histogram(
    "holdfast_rate_limit_left", "What services say is left of their limits, as a share of it.", ["service"],
    buckets=(0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75),
)  # fmt: skip
_refused, _spared = REFUSED.labels("refused"), REFUSED.labels("spared")


def heed(vault: Vault, endpoint: Hashable) -> None:
    """RequestLimitError while `endpoint` wants to be left alone."""
    left = vault.pace.left(endpoint, vault.clock.now())
    if left:
        _spared.inc()
        raise RequestLimitError("The service wants to be left alone for a moment.", retry_after=-(-left // 1000))


def learn(vault: Vault, subject: Subject, endpoint: Hashable, status: int, headers: Mapping[str, str]) -> None:
    """Takes in what an answer of `endpoint` says. Names of `headers` are in lower case."""
    word = subject.connector.request.rate_limit
    if word is not None and word.limit is not None:
        limit, remaining = _number(headers.get(word.limit.lower())), _number(headers.get(word.remaining.lower()))
        if limit and remaining is not None:
            LEFT.labels(subject.connector.id).observe(min(1.0, remaining / limit))
    if status != TOO_MANY:
        return
    _refused.inc()
    now = vault.clock.now()
    wait = seconds_to_wait(Response(status, headers, b""), now)
    if wait is None and word is not None and word.reset is not None:
        wait = seconds_until(headers.get(word.reset.lower(), ""), now)
    vault.pace.leave_alone(endpoint, now, 1000 * (wait or 0))


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() and len(text) < 12 else None

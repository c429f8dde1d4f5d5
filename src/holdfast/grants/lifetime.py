"""How long something lives, as providers tell it: numbers, texts, dates of every make, and Retry-After.

Nothing here raises: a lifetime that cannot be read is not known, and what it stood beside is good all the same.
Knows RFC 9110 section 5.6.7 (HTTP dates), ISO 8601, the dates of ASP.NET, and dates and spans in English words.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from holdfast.domain.exchange import Response

Form = Literal["seconds", "epoch_s", "epoch_ms", "iso"]

# A time that is further away means "never".
LIFETIME_LIMIT = 100 * 366 * 86_400
# Whatever a provider asks for, it is asked again after this many seconds.
WAIT_LIMIT = 3600
TEXT_LIMIT = 100
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = re.compile(rf"\b({'|'.join(_MONTHS)})[a-z]*\b", re.IGNORECASE)
_YEAR = re.compile(r"\b(\d{4})\b", re.ASCII)
_DAY = re.compile(r"\b(\d{1,2})(?:st|nd|rd|th)?\b", re.ASCII | re.IGNORECASE)
_CLOCK = re.compile(r"\b(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?\s*([ap])?\.?(?:m\b)?", re.ASCII | re.IGNORECASE)
_ZONE = re.compile(r"([+-])(\d{2}):?(\d{2})\b", re.ASCII)
_ASP_NET = re.compile(r"\\?/Date\((\d{1,15})(?:[+-]\d{4})?\)\\?/", re.ASCII)
_UTC = re.compile(r"\s*\b(?:UTC|GMT|Z)$", re.IGNORECASE)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_SPAN = re.compile(
    r"(\d+(?:\.\d+)?)\s*(s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?)", re.ASCII | re.IGNORECASE
)


def expiry(value: Any, form: Form, now: int) -> int | None:
    """The moment (ms since 1970) that `value` tells at the moment `now` (ms); None if it tells none.

    -1, 0, "never", a moment that is over when the token is granted (0001-01-01 is .NET's "no date") and one that is
    a century away are no lifetimes: a token that was dead on arrival would be asked for again at every use.
    """
    number = _number(value)
    moment = _of_number(number, form, now) if number is not None else _of_text(value, now)
    if moment is None or not now < moment < now + LIFETIME_LIMIT * 1000:
        return None
    return int(moment)


def seconds_to_wait(response: Response, now: int) -> int | None:
    """What Retry-After asks for in whole seconds, as a number or a date (RFC 9110 section 10.2.3), an hour at most;
    None if it asks for nothing. `now` is in ms since 1970."""
    text = response.headers.get("retry-after", "")[:TEXT_LIMIT].strip()
    number = _number(text.partition(",")[0])
    if number is None:
        moment = _moment(text)
        number = (moment - now) / 1000 if moment is not None else None
    return None if number is None else min(WAIT_LIMIT, max(0, math.ceil(number)))


def seconds_until(text: str, now: int) -> int | None:
    """How many whole seconds it is to what `text` tells, as seconds or as a moment in any form; None if it tells none,
    or one that is over or further away than a day: what counts then was not understood."""
    moment = expiry(text[:TEXT_LIMIT].strip(), "iso", now)
    wait = None if moment is None else math.ceil((moment - now) / 1000)
    return wait if wait is not None and wait <= _UNITS["d"] else None


def _of_number(number: float, form: Form, now: int) -> float | None:
    if number <= 0:
        return None
    if form == "iso":  # a number where a date was promised: what it counts shows in its size
        form = "epoch_ms" if number >= 1e11 else "epoch_s" if number >= 1e8 else "seconds"
    return number if form == "epoch_ms" else number * 1000 + (now if form == "seconds" else 0)


def _of_text(value: Any, now: int) -> float | None:
    if not isinstance(value, str) or not 0 < len(value) <= TEXT_LIMIT:
        return None
    span = _SPAN.fullmatch(value.strip())
    if span:
        return now + float(span[1]) * _UNITS[span[2][0].lower()] * 1000
    return _moment(value.strip())


def _number(value: Any) -> float | None:
    """A finite number, or a text that is one; true and false are none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _moment(text: str) -> float | None:
    """A date in any form, as ms since 1970. One without a zone is UTC."""
    for read in _DATES:
        try:
            found = read(text)
            if found is not None:
                return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000
        except (ValueError, OverflowError, TypeError, IndexError):
            continue
    return None


def _iso(text: str) -> datetime:
    return datetime.fromisoformat(_UTC.sub("", text) + "+00:00" if _UTC.search(text) else text)


def _asp_net(text: str) -> datetime | None:
    found = _ASP_NET.fullmatch(text)
    return datetime.fromtimestamp(int(found[1]) / 1000, UTC) if found else None


def _in_words(text: str) -> datetime | None:
    """`Wed, 25 Nov 2099 12:00:00 GMT`, `November 25th, 2099 12:00 PM`, `25 Nov 2099`."""
    clock, zone = _CLOCK.search(text), _ZONE.search(text)
    rest = _ZONE.sub(" ", _CLOCK.sub(" ", text))
    month, year = _MONTH.search(rest), _YEAR.search(rest)
    day = _DAY.search(_YEAR.sub(" ", rest))
    if month is None or year is None or day is None:
        return None
    number = _MONTHS.index(month[1].lower()) + 1
    return datetime(int(year[1]), number, int(day[1]), *_time_of_day(clock), tzinfo=_offset(zone))


def _time_of_day(clock: re.Match[str] | None) -> tuple[int, int, int]:
    if clock is None:
        return 0, 0, 0
    hour = int(clock[1])
    if clock[4]:
        hour = hour % 12 + (12 if clock[4].lower() == "p" else 0)
    return hour, int(clock[2]), int(clock[3] or 0)


def _offset(zone: re.Match[str] | None) -> timezone:
    if zone is None:
        return UTC
    minutes = int(zone[2]) * 60 + int(zone[3])
    return timezone(timedelta(minutes=-minutes if zone[1] == "-" else minutes))


_DATES: tuple[Callable[[str], datetime | None], ...] = (_iso, _asp_net, _in_words, parsedate_to_datetime)

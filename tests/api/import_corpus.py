"""Credentials from elsewhere that cannot be credentials: by name, the value of `credentials` in an import."""

from __future__ import annotations

from typing import Any

_ISSUED = "2026-01-01T00:00:00Z"
GOOD: dict[str, Any] = {"access_token": "at-1", "refresh_token": "rt-1", "issued_at": _ISSUED, "expires_in": 3600}

# Texts that no header can carry (RFC 9110 section 5.5), or that nothing would call a token.
NO_TOKENS: dict[str, Any] = {
    "empty": "",
    "a line break": "at\r\nX-Injected: 1",
    "a line feed": "at\n",
    "NUL": "at\x00",
    "a tab": "at\t1",
    "DEL": "at\x7f",
    "not ASCII": "ät",
    "an emoji": "at👩‍🚀",
    "a no-break space": "at\xa01",
    "a line separator": "at\u2028",
    "200 kB": "a" * 200_000,
    "one character too long": "a" * 65_537,
    "a number": 7,
    "a float": 7.5,
    "true": True,
    "a list": ["at-1"],
    "an object": {"value": "at-1"},
}

NO_LIFETIMES: dict[str, Any] = {
    "negative": -1,
    "2 to the 31st": 2**31,
    "2 to the 62nd": 2**62,
    "2 to the 63rd": 2**63,
    "a hundred digits": 10**100,
    "a text": "3600",
    "a fraction": 3600.5,
    "true": True,
    "a list": [3600],
    "an object": {},
}

NO_INSTANTS: dict[str, Any] = {
    "a word": "yesterday",
    "empty": "",
    "a number": 1_767_225_600,
    "a number as a text": "1767225600",
    "the epoch": "1970-01-01T00:00:00Z",
    "before the epoch": "1969-12-31T23:59:59Z",
    "year 1": "0001-01-01T00:00:00Z",
    "year 9999": "9999-12-31T23:59:59Z",
    "in ten minutes": "2026-01-01T00:10:00Z",
    "in ten minutes, said in another zone": "2026-01-01T05:10:00+05:00",
    "month 13": "2026-13-01T00:00:00Z",
    "30 February": "2025-02-30T00:00:00Z",
    "a zone of 99 hours": "2025-12-31T00:00:00+99:00",
    "with a line break": "2025-12-31T00:00:00Z\r\n",
    "true": True,
    "a list": [2025, 12, 31],
}

NO_CREDENTIALS: dict[str, Any] = {
    **{f"access token: {name}": {**GOOD, "access_token": value} for name, value in NO_TOKENS.items()},
    **{f"refresh token: {name}": {**GOOD, "refresh_token": value} for name, value in NO_TOKENS.items()},
    **{f"lifetime: {name}": {**GOOD, "expires_in": value} for name, value in NO_LIFETIMES.items()},
    **{f"issued: {name}": {**GOOD, "issued_at": value} for name, value in NO_INSTANTS.items()},
    "a text": "at-1",
    "a list": [GOOD],
    "a number": 1,
    "false": False,
}

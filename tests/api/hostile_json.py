"""Bodies that are no JSON, or JSON that some parser, database or header cannot carry; and those that cost time."""

from __future__ import annotations

import json
from collections.abc import Callable

MEBIBYTE = 1 << 20


def _settings(value: str) -> bytes:
    return f'{{"settings": {{"note": {value}}}}}'.encode()


def _filled(start: bytes, middle: bytes, end: bytes = b"") -> bytes:
    """`middle` as often as it fits into a mebibyte."""
    return start + middle * ((MEBIBYTE - len(start) - len(end)) // len(middle)) + end


MALFORMED: dict[str, bytes] = {
    "an open brace": b"{",
    "a closing brace": b"}",
    "a comma more": b'{"enabled": true,}',
    "single quotes": b"{'enabled': true}",
    "no quotes": b"{enabled: true}",
    "a comment": b'{"enabled": true} // yes',
    "two documents": b'{"enabled": true}{"enabled": false}',
    "a form": b"enabled=true",
    "XML": b"<enabled>true</enabled>",
    "undefined": b'{"enabled": undefined}',
    "a leading zero": _settings("007"),
    "hexadecimal": _settings("0x10"),
    "a line feed in a text": b'{"settings": {"note": "a\nb"}}',
    "NUL between tokens": b'{"enabled"\x00: true}',
    "NUL in a text": b'{"settings": {"note": "a\x00b"}}',
    "NUL, escaped": _settings('"a\\u0000b"'),
    "NUL in a name": b'{"settings": {"no\\u0000te": "x"}}',
    "half a surrogate pair": _settings('"\\ud800"'),
    "the other half": _settings('"\\udc00"'),
    "the halves the wrong way round": _settings('"\\udc00\\ud800"'),
    "half a surrogate pair in a name": b'{"settings": {"\\ud800": "x"}}',
    "a surrogate in UTF-8": b'{"settings": {"note": "\xed\xa0\x80"}}',
    "an overlong slash": b'{"settings": {"note": "\xc0\xaf"}}',
    "a broken escape": _settings('"\\u12"'),
    "an unknown escape": _settings('"\\x41"'),
    "a byte order mark": b"\xef\xbb\xbf" + b'{"enabled": true}',
    "UTF-16": json.dumps({"enabled": True}).encode("utf-16"),
    "UTF-16, big end first": json.dumps({"enabled": True}).encode("utf-16-be"),
    "UTF-32": json.dumps({"enabled": True}).encode("utf-32"),
    "Latin-1": '{"settings": {"note": "ä"}}'.encode("latin-1"),
    "UTF-7": b'{"settings": {"note": "+AOQ-\xff"}}',
    "NaN": _settings("NaN"),
    "Infinity": _settings("Infinity"),
    "minus Infinity": _settings("-Infinity"),
    "1e999": _settings("1e999"),
    "-1e999": _settings("-1e999"),
    "2 to the 63rd": _settings(str(2**63)),
    "less than minus 2 to the 63rd": _settings(str(-(2**63) - 1)),
    "an integer of 4,301 digits": _settings("9" * 4301),
    "an integer of 100,000 digits": _settings("9" * 100_000),
    "a name twice": b'{"enabled": true, "enabled": false}',
    "a name twice, escaped once": b'{"enabled": true, "enable\\u0064": false}',
    "a name twice, deep inside": b'{"metadata": {"a": [{"b": 1, "b": 2}]}}',
    "33 levels": _settings("[" * 31 + "]" * 31),
    "900 levels": _settings("[" * 900 + "]" * 900),
    "1,000 objects in each other": _settings('{"a":' * 1000 + "1" + "}" * 1000),
    "100,000 levels": b"[" * 100_000 + b"]" * 100_000,
    "100,000 levels that do not end": b'{"a":' * 100_000,
    "a text of 65,537 characters": _settings('"' + "a" * 65_537 + '"'),
    "a name of 65,537 characters": b'{"metadata": {"' + b"a" * 65_537 + b'": 1}}',
    "10,001 members": b'{"metadata": {' + b",".join(b'"k%d":1' % n for n in range(10_001)) + b"}}",
    "a list": b'[{"enabled": true}]',
    "a text": b'"enabled"',
    "a number": b"1",
    "true": b"true",
    "null": b"null",
    "only spaces": b" " * 1000,
}  # fmt: skip

# Built when they are sent: as large as a body may be, and made to be slow.
COSTLY: dict[str, Callable[[], bytes]] = {
    "brackets": lambda: _filled(b"", b"["),
    "brackets nested and in a row": lambda: b"[" + b",".join([b"[" * 31 + b"]" * 31] * 16_000) + b"]",
    "brackets in pairs": lambda: _filled(b"[", b"[],", b"0]"),
    "zeros": lambda: _filled(b'{"metadata": {"a": [', b"0,", b"0]}}"),
    "members": lambda: b'{"metadata": {' + b",".join(b'"%x":0' % n for n in range(100_000)) + b"}}",
    "empty texts": lambda: _filled(b'{"metadata": {"a": [', b'"",', b'""]}}'),
    "texts that end in a backslash": lambda: _filled(b'{"metadata": {"a": [', b'"\\\\",', b'""]}}'),
    "quotation marks": lambda: _filled(b"", b'"'),
    "backslashes": lambda: _filled(b"", b"\\"),
    "backslashes in a text": lambda: _filled(b'{"metadata": "', b"\\\\", b'"}'),
    "a text without an end": lambda: _filled(b'{"metadata": "', b"a"),
    "escapes": lambda: _filled(b'{"metadata": "', b"\\u0061", b'"}'),
    "surrogates": lambda: _filled(b'{"metadata": "', b"\\ud83d\\ude00", b'"}'),
    "digits": lambda: _filled(b"", b"9"),
    "a fraction": lambda: _filled(b"0.", b"1"),
    "an exponent": lambda: _filled(b"1e", b"9"),
    "spaces": lambda: _filled(b"", b" "),
    "line feeds in a list": lambda: _filled(b"[", b"\n", b"]"),
}

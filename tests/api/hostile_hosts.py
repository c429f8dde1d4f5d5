"""Values that try to turn a call to `https://{subdomain}.acme-desk.example` into one to somebody else; near misses."""

from __future__ import annotations

import string

# Whatever ends a host, starts a path, a port or user information, or is read differently by some parser.
NO_LABELS = (
    "evil.com/", "evil.com#", "evil.com?", "evil.com:443/", "evil.com\\", "evil.com&", "evil.com;", "evil.com,",
    "evil.com/#", "evil.com%23", "evil.com%2f", "%2f", "%2e", "%00", "%0d%0a", "evil.com%5c",
    "a@evil.com/", "a@evil", "a:b@evil.com/", "@", "@evil.com#", "x\\@evil.com", "x/@evil.com",
    "127.0.0.1:80/", "127.0.0.1#", "[::1]/", "[::1", "::1", "169.254.169.254/latest/meta-data/#", "localhost:8000/",
    "//evil.com", "/", "\\", "..", "a..b", ".", ".a", "a.", "a.b", "www.evil", "-a", "a-", "_", "a_b", "a b",
    "a\tb", "a\nb", "a\r\nHost: evil.com", "a\x7fb", "a\u200bb", "a\u3002b", "evil\uff0ecom\u2044",
    "\u24d4vil", "\u017f", "\u212a", "\xdf", "\xf1",
    "a" * 64, "{organization}", "{{", "a$b", "a*", "*", "a'b", 'a"b', "a<b>", "a|b", "a~b", "a+b", "a=b", "a!b", "(a)",
)  # fmt: skip

# Settings of another type than text.
NO_TEXTS: tuple[object, ...] = ([], ["evil"], {"a": "b"}, {}, [["evil.com/"]])

# One label each, however it looks.
LABELS = ("northwind", "a", "7", "northwind-freight", "xn--nxasmq6b", "a" * 63, "NorthWind", string.ascii_lowercase)

# What a token answer may call the organisation's instance without being believed.
FOREIGN_INSTANCES = (
    "https://evil.example", "https://acme-force.example.evil.example",
    "https://evil-acme-force.example", "https://acme-force.example", "https://eu1.acme-force.example@evil.example",
    "https://eu1.acme-force.example:8443", "https://eu1.acme-force.example?a=b", "https://eu1.acme-force.example#a",
    "https://evil.example/.acme-force.example", "https://evil.example\\.acme-force.example", "//eu1.acme-force.example",
    "https://eu1.acme-force.example/../..", "https://[::1].acme-force.example", "https://127.0.0.1",
    "https://eu1.acme-force.example\r\nHost: evil.example", "https://eu1\u3002acme-force.example",
    "javascript:alert(1)//eu1.acme-force.example", "file:///etc/passwd", "https://", "eu1.acme-force.example",
    "https://user@eu1.acme-force.example", "https://eu1.acme-force.example%2f@evil.example",
)  # fmt: skip

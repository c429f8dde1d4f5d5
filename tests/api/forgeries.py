"""Everything that a link state might be replaced by: attacks on JWS libraries and on who reads the claims.

Sources of the cases: RFC 8725 (JSON Web Token best current practices), RFC 7515, RFC 7797, and advisories about
libraries that took an empty key, an algorithm of the attacker's choice, or a key out of the token's own header.
"""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey, OctKey, RSAKey

from holdfast.usecases.vault import Keys

HEADER = {"alg": "HS256", "typ": "vlink+jwt"}
# What the published description of the API shows as an example.
EXAMPLE = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJjb25zdW1lcl9pZCI6InRlc3RfdXNlcl9pZCIsInVuaWZpZWRfYXBpIjoiZGVmYXVsdCIs"
    "InNlcnZpY2VfaWQiOiJ0ZWFtbGVhZGVyIiwiYXBwbGljYXRpb25faWQiOiIxMTExIiwiaWF0IjoxNjIyMTI2Nzg3fQ."
    "97_pn1UAXc7mctXBdr15czUNO1jjdQ9sJUOIE_Myzbk"
)


def claims_of(token: str) -> dict[str, Any]:
    return dict(json.loads(_decoded(token.split(".")[1])))


def forgeries(genuine: str, keys: Keys) -> dict[str, str]:
    """Forged link states by name, made from a genuine one; `keys` are those of the vault that made it."""
    return {
        **_broken(genuine),
        **_of_another_algorithm(genuine, keys.link.current.key),
        **_of_another_key(genuine, keys),
        **_with_headers(genuine, keys.link.current.key),
        **_with_claims(genuine, keys.link.current.key),
    }


def _broken(genuine: str) -> dict[str, str]:
    header, payload, signature = genuine.split(".")
    flipped = {
        f"bit {bit} of part {part}": _flipped(genuine, part, bit) for part in range(3) for bit in (0, 7, 77, 131)
    }
    return flipped | {
        "empty": "",
        "dots": "..",
        "no signature": f"{header}.{payload}",
        "empty signature": f"{header}.{payload}.",
        "half a signature": f"{header}.{payload}.{signature[:20]}",
        "a signature of zeros": f"{header}.{payload}.{_encoded(bytes(32))}",
        "four parts": f"{genuine}.{signature}",
        "five parts, as an encrypted token has": f"{header}..{payload}.{signature}.{signature}",
        "parts exchanged": f"{payload}.{header}.{signature}",
        "JSON serialization": json.dumps({"payload": payload, "protected": header, "signature": signature}),
        "the example of the documentation": EXAMPLE,
        "a UUID": "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
        "not ASCII": genuine.replace("e", "é"),
        "NUL": genuine + "\x00",
    }


def _of_another_algorithm(genuine: str, key: bytes) -> dict[str, str]:
    _, payload, signature = genuine.split(".")
    unsigned = {alg: _header(alg=alg) for alg in ("none", "None", "NONE", "nOnE", "hs256", "", None)}
    found = {f"alg {alg!r}, no signature": f"{header}.{payload}." for alg, header in unsigned.items()}
    found |= {f"alg {alg!r}, old signature": f"{header}.{payload}.{signature}" for alg, header in unsigned.items()}
    found["alg a list"] = _signed({**HEADER, "alg": ["HS256", "none"]}, _decoded(payload), key)
    found["no alg"] = _signed({"typ": "vlink+jwt"}, _decoded(payload), key)
    for alg, digest in (("HS384", "sha384"), ("HS512", "sha512"), ("RS256", "sha256"), ("ES256", "sha256")):
        found[f"{alg} under our key"] = _signed({**HEADER, "alg": alg}, _decoded(payload), key, digest)
    return found


def _of_another_key(genuine: str, keys: Keys) -> dict[str, str]:
    payload = _decoded(genuine.split(".")[1])
    guesses = {
        "empty": b"",
        "one zero": b"\x00",
        "32 zeros": bytes(32),
        "a word": b"secret",
        "in hex": keys.link.current.key.hex().encode(),
    }
    purposes = {name: getattr(keys, name).current.key for name in ("flow", "confirm", "cookie", "api_key")}
    found = {f"key {name}": _signed(HEADER, payload, key) for name, key in (guesses | purposes).items()}
    rsa, ec = RSAKey.generate_key(2048), ECKey.generate_key("P-256")
    for alg, key in (("RS256", rsa), ("ES256", ec)):
        header = {"alg": alg, "typ": "vlink+jwt", "jwk": key.as_dict(private=False)}
        found[f"{alg}, its own key in the header"] = jws.serialize_compact(header, payload, key, algorithms=[alg])
    public = rsa.as_pem(private=False)
    found["HS256 under the public key in the header"] = _signed(
        {**HEADER, "jwk": rsa.as_dict(private=False)}, payload, public
    )
    own = OctKey.generate_key(256)
    found["HS256, its own key in the header"] = _signed({**HEADER, "jwk": own.as_dict()}, payload, own.raw_value)
    return found


def _with_headers(genuine: str, key: bytes) -> dict[str, str]:
    """Under the right key, so that only the header is wrong: what we make has exactly two members."""
    payload = _decoded(genuine.split(".")[1])
    added: dict[str, dict[str, Any]] = {
        "crit exp": {"crit": ["exp"]},
        "crit b64": {"crit": ["b64"], "b64": False},
        "b64 without crit": {"b64": False},
        "crit unknown": {"crit": ["x"], "x": 1},
        "crit empty": {"crit": []},
        "crit a number": {"crit": 1},
        "jku": {"jku": "https://evil.example/keys.json"},
        "x5u": {"x5u": "https://evil.example/cert.pem"},
        "x5c": {"x5c": ["MIIB"]},
        "kid a path": {"kid": "../../../../dev/null"},
        "kid SQL": {"kid": "x' UNION SELECT 'secret"},
        "kid NUL": {"kid": "a\x00"},
        "zip": {"zip": "DEF"},
        "cty": {"cty": "JWT"},
        "typ of a session": {"typ": "vsess+jwt"},
        "typ JWT": {"typ": "JWT"},
        "typ in capitals": {"typ": "VLINK+JWT"},
        "64 kB": {"pad": "a" * 65_536},
    }
    found = {f"header {name}": _signed({**HEADER, **members}, payload, key) for name, members in added.items()}
    return found | {"header without typ": _signed({"alg": "HS256"}, payload, key)}


def _with_claims(genuine: str, key: bytes) -> dict[str, str]:
    """Under the right key and header, so that only the claims are wrong."""
    claims = claims_of(genuine)
    changes: dict[str, dict[str, Any]] = {
        "iss": {"iss": "https://vault.evil.example"},
        "aud of the other link": {"aud": "revoke"},
        "aud of a session": {"aud": "session"},
        "aud a list": {"aud": ["authorize", "revoke"]},
        "exp past": {"exp": claims["iat"]},
        "exp a text": {"exp": str(claims["exp"])},
        "exp null": {"exp": None},
        "exp true": {"exp": True},
        "exp 1e999": {"exp": float("inf")},
        "iat in an hour": {"iat": claims["iat"] + 3600, "exp": claims["exp"] + 3600},
        "nbf in an hour": {"nbf": claims["iat"] + 3600},
        "application another": {"application_id": "0" * 32},
        "service another": {"service_id": "pipedrive"},
        "consumer a number": {"consumer_id": 7},
        "consumer a list": {"consumer_id": ["user-1", "user-2"]},
    }
    found = {f"claim {name}": _signed(HEADER, _json({**claims, **changed}), key) for name, changed in changes.items()}
    for name in claims:
        rest = {n: value for n, value in claims.items() if n != name}
        found[f"no claim {name}"] = _signed(HEADER, _json(rest), key)
    for name, payload in (
        ("list", b"[]"),
        ("text", b'"x"'),
        ("nothing", b""),
        ("form", b"a=b"),
        ("Latin-1", b'"\xe9"'),
    ):
        found[f"payload {name}"] = _signed(HEADER, payload, key)
    return found


def _signed(header: Mapping[str, Any], payload: bytes, key: bytes, digest: str = "sha256") -> str:
    signed = f"{_encoded(_json(header))}.{_encoded(payload)}"
    return f"{signed}.{_encoded(hmac.new(key, signed.encode(), digest).digest())}"


def _header(**members: Any) -> str:
    return _encoded(_json({**HEADER, **members}))


def _flipped(token: str, part: int, bit: int) -> str:
    parts = [bytearray(_decoded(text)) for text in token.split(".")]
    parts[part][bit // 8 % len(parts[part])] ^= 1 << bit % 8
    return ".".join(_encoded(bytes(p)) for p in parts)


def _json(members: Any) -> bytes:
    return json.dumps(members, separators=(",", ":")).encode()


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

"""Who is asking, for whom: the `Authorization` header and two selectors become a `Scope`.

The key is the credential; `x-apideck-app-id` must name the key's own application, and `x-apideck-consumer-id`
selects one of its consumers. A header that comes twice is refused: proxies disagree about which one counts.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from functools import partial

from holdfast.domain.tenancy import Action, Scope
from holdfast.errors import RequestHeadersValidationError, UnauthorizedError, WrongKeyError
from holdfast.usecases import api_keys
from holdfast.usecases.vault import Vault

APP_ID, CONSUMER_ID = "x-apideck-app-id", "x-apideck-consumer-id"
_APP_ID, _CONSUMER_ID = APP_ID.encode(), CONSUMER_ID.encode()
ID_LIMIT = 255

Headers = Iterable[tuple[bytes, bytes]]
_DECISIVE = frozenset((b"authorization", _APP_ID, _CONSUMER_ID))


async def scope_of(headers: Headers, vault: Vault, needs: Action = "connections", *, consumer: bool = True) -> Scope:
    """The scope of a request with these headers, whose API key has the scope `needs`.

    UnauthorizedError for a missing or foreign key, WrongKeyError for one that is nobody's,
    RequestHeadersValidationError for a missing selector; the consumer may be left out when `consumer` is false.
    """
    sent = _sent(headers)
    authorization = sent.get(b"authorization", b"")
    named = _named(authorization)
    scope: Scope = vault.recent.fresh(named) or await _caller(vault, named, authorization)
    scope.require(needs)
    application_id = _selector(sent, _APP_ID)
    if application_id is None:
        raise _missing(_APP_ID)
    if not hmac.compare_digest(application_id, scope.application_id):
        raise UnauthorizedError("The API key belongs to another application.")
    consumer_id = _selector(sent, _CONSUMER_ID)
    if consumer_id is not None:
        return scope.of(consumer_id)
    if consumer:
        raise _missing(_CONSUMER_ID)
    return scope


async def scope_of_key(vault: Vault, key: str) -> Scope:
    """The scope of an API key that stands elsewhere than in the `Authorization` header. WrongKeyError."""
    authorization = b"Bearer " + key.encode("latin-1", "replace")
    named = _named(authorization)
    return vault.recent.fresh(named) or await _caller(vault, named, authorization)


def is_id(text: str) -> bool:
    """Whether `text` can name an application or a consumer."""
    return 0 < len(text) <= ID_LIMIT and text.isascii() and text.isprintable()


def _named(authorization: bytes) -> tuple[str, bytes]:
    """What a caller is remembered under: a digest, for no key's text is kept."""
    return "caller", hashlib.sha256(authorization).digest()


async def _caller(vault: Vault, named: tuple[str, bytes], authorization: bytes) -> Scope:
    """The scope of the key in the header, from now on remembered as `named`. UnauthorizedError if it is none."""
    scope = await vault.recent.get(named, partial(_identified, vault, authorization), _owner)
    if scope is None:
        raise WrongKeyError()
    return scope


async def _identified(vault: Vault, authorization: bytes) -> Scope | None:
    key = await api_keys.identify(vault, _credential(authorization))
    return None if key is None else Scope(key.application_id, key.caller)


def _owner(scope: Scope) -> str:
    return scope.application_id


def require_admin(headers: Headers, admin_token: str) -> None:
    """UnauthorizedError unless the request carries the admin token; WrongKeyError if it carries another one."""
    if not hmac.compare_digest(
        _credential(_sent(headers).get(b"authorization", b"")).encode("utf-8", "surrogatepass"), admin_token.encode()
    ):
        raise WrongKeyError()


def _credential(authorization: bytes) -> str:
    text = authorization.decode("latin-1")
    if not text:
        raise UnauthorizedError("Missing authentication")
    scheme, _, rest = text.partition(" ")
    return rest.strip() if scheme.lower() == "bearer" else text.strip()


def _selector(sent: Mapping[bytes, bytes], name: bytes) -> str | None:
    raw = sent.get(name)
    if not raw:
        return None
    value = raw.decode("latin-1")
    if not is_id(value):
        raise RequestHeadersValidationError(f"{name.decode()} is at most {ID_LIMIT} printable ASCII characters.")
    return value


def _sent(headers: Headers) -> dict[bytes, bytes]:
    """The headers that say who is asking."""
    found = [pair for pair in headers if pair[0] in _DECISIVE]
    sent = dict(found)
    if len(sent) != len(found):
        raise UnauthorizedError("A header that says who is asking was sent more than once.")
    return sent


def _missing(name: bytes) -> RequestHeadersValidationError:
    return RequestHeadersValidationError({"missing": [{name.decode(): "required"}]})

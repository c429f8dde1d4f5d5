"""The browser's half of the authorization code grant: where to send it, and what it brings back."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlencode

from holdfast.domain.manifest.connector import CallbackHook, Connector, OAuth
from holdfast.domain.manifest.template import host_pattern, render, render_url
from holdfast.errors import (
    ConnectionSettingsError,
    GrantDeferred,
    GrantMisconfigured,
    GrantRejected,
    OAuthInvalidStateError,
    ProviderError,
    RequestValidationError,
)
from holdfast.grants.flow import Setup, with_query
from holdfast.grants.refusal import is_shown, outcome_of

CODE_LIMIT = 8192
VERIFIER_BYTES = 32


def new_verifier(randomness: bytes) -> str:
    """The PKCE code verifier that 32 random bytes make, 43 characters long (RFC 7636 section 4.1)."""
    assert len(randomness) == VERIFIER_BYTES, "a verifier has 256 bits"
    return base64.urlsafe_b64encode(randomness).rstrip(b"=").decode()


def challenge(verifier: str) -> str:
    """The S256 code challenge of `verifier` (RFC 7636 section 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def uses_pkce(connector: Connector) -> bool:
    return connector.auth.oauth is not None and connector.auth.oauth.pkce != "off"


def authorization_url(
    setup: Setup, *, redirect_uri: str, state: str, scopes: Sequence[str], verifier: str | None
) -> str:
    """Where the consumer's browser goes (RFC 6749 section 4.1.1).

    Values of settings are encoded as single parameters, so they can add none. Raises ConnectionSettingsError
    when a setting that the URL needs is missing.
    """
    oauth = setup.oauth
    if oauth.authorize is None or setup.client is None:
        raise ConnectionSettingsError("This connector has no authorization page.")
    url = render_url(oauth.authorize.url, setup.values, _browser_hosts(setup, oauth.authorize.url))
    params = {
        "response_type": "code",
        "client_id": setup.client.client_id,
        "redirect_uri": redirect_uri,
        oauth.scopes.param: oauth.scopes.separator.join(scopes),
        "state": state,
    }
    if verifier:
        params |= {"code_challenge": challenge(verifier), "code_challenge_method": "S256"}
    params |= {name: render(value, setup.values) for name, value in oauth.authorize.params.items()}
    params |= oauth.scopes.extra
    named = {oauth.authorize.rename.get(k, k): v for k, v in params.items() if v and k not in oauth.authorize.omit}
    return with_query(url, named, plus=oauth.scopes.plus_encoded)


def manifest_scopes(setup: Setup, unified_api: str) -> tuple[str, ...]:
    """The scopes that the manifest asks for under one unified API, with settings put into those that contain some."""
    listed = (*setup.oauth.scopes.default, *setup.connector.unified_apis[unified_api].scopes)
    rendered = (render(scope, setup.values) for scope in dict.fromkeys(listed))
    return tuple(scope for scope in rendered if scope)


def read_callback(setup: Setup, query: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """The code and the settings that the provider's redirect carries.

    Raises what an `error` means (RFC 6749 section 4.1.2.1): GrantDeferred if the provider could not answer now,
    GrantMisconfigured if the client is wrong, GrantRejected otherwise, since the consumer has to begin again.
    OAuthInvalidStateError for a foreign `iss` (RFC 9207 section 2.4) or a wrong signature, and
    RequestValidationError when there is neither code nor error.
    """
    _check_issuer(setup.oauth, query.get("iss"))
    if setup.oauth.callback.hook is not None:
        CALLBACK_HOOKS[setup.oauth.callback.hook](setup, query)
    if "error" in query:
        raise _refused(setup, query["error"], query.get("error_description", ""))
    code = query.get(setup.oauth.callback.code, "")
    if not code or len(code) > CODE_LIMIT or not code.isprintable():
        raise RequestValidationError("The callback carries neither a usable code nor an error.")
    capture = setup.oauth.callback.capture
    return code, {id: query[name] for id, name in capture.items() if query.get(name)}


_REFUSALS: dict[str | None, type[ProviderError]] = {"deferred": GrantDeferred, "misconfigured": GrantMisconfigured}


def _refused(setup: Setup, code: str, description: str) -> ProviderError:
    """The description decides what is meant, and is not repeated: it came in a URL that anybody may have written."""
    outcome = outcome_of(setup.connector, code, description)
    shown = code if is_shown(code) else None
    said = "The provider refused the authorization" + (f" ({shown})." if shown else ".")
    return _REFUSALS.get(outcome, GrantRejected)(said, code=shown)


def _check_issuer(oauth: OAuth, given: str | None) -> None:
    if oauth.issuer is None or given == oauth.issuer or (given is None and not oauth.requires_iss):
        return
    raise OAuthInvalidStateError("The answer came from another issuer than the one that was asked.")


def _check_hmac(setup: Setup, query: Mapping[str, str]) -> None:
    """The whole query but `hmac`, sorted, under the client secret. `state` is ours, so a copied query is of no use."""
    secret = setup.client.client_secret if setup.client else None
    signed = urlencode(sorted((name, value) for name, value in query.items() if name != "hmac"))
    expected = hmac.digest(secret.reveal().encode(), signed.encode(), "sha256").hex() if secret else ""
    if not expected or not hmac.compare_digest(expected.encode(), query.get("hmac", "").encode()):
        raise OAuthInvalidStateError("The answer does not carry the provider's signature.")


CALLBACK_HOOKS: dict[CallbackHook, Callable[[Setup, Mapping[str, str]], None]] = {"hmac_query": _check_hmac}


def _browser_hosts(setup: Setup, template: str) -> tuple[str, ...]:
    """The consent page's host holds no credential of ours, but a setting must not turn the link into a redirector."""
    bound = host_pattern(template)
    return (*setup.hosts, bound) if bound else setup.hosts

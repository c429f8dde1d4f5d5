"""How what a step of the browser came to is spelled: a redirect, a fragment, a cookie, a page.

Every redirect is a 301 that no cache may keep and that says nothing of where it came from. Our own page learns what
happened from a signed word in the query; a product's page is returned to as it was named.
"""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit, urlunsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from holdfast.errors import GrantDeferred, GrantMisconfigured, HoldfastError, OAuthCodeExchangeError, ProviderError
from holdfast.grants.refusal import OUTCOMES
from holdfast.http import errors
from holdfast.http.pages import forms, outcome
from holdfast.http.pages.outcome import Outcome
from holdfast.http.pages.refusals import said_of
from holdfast.http.pages.sentences import Said
from holdfast.http.pages.sheet import Form, page
from holdfast.usecases.steps import (
    Ask,
    Binding,
    Confirm,
    Connected,
    Disconnected,
    Ended,
    Failed,
    Go,
    Parties,
    Step,
    origin_of,
)
from holdfast.usecases.vault import Vault

# A URL has to carry it, and a person to read it.
MESSAGE_LIMIT = 200
ENDED: dict[Ended, Said] = {
    "ended": "disconnected", "pending": "disconnected_pending", "here": "disconnected_here",
}  # fmt: skip

# What a provider's answer came to, without its words.
REFUSED: dict[type[HoldfastError], str] = {
    GrantDeferred: "The service could not answer now; try again later",
    GrantMisconfigured: "The service refused the OAuth client of the application",
    OAuthCodeExchangeError: "The service gave no token for the authorization code",
    ProviderError: "The service refused the authorization",
}


def spelled(vault: Vault, request: Request, step: Step) -> Response:
    """What a step came to, as the browser is told."""
    match step:
        case Go(url, binding):
            return bind(_redirect(url), vault, binding)
        case Ask():
            return _asked(vault, request, step)
        case Confirm(parties, target, nonce, token, service_id, spent):
            # In the fragment, which no server sees and no Referer carries.
            named = urlencode({"nonce": nonce, "confirm_token": token, "service_id": service_id})
            told = _told(vault, target.partition("#")[0], parties, "waiting")
            return forget(_redirect(f"{told}#{named}"), vault, spent)
        case Connected(parties, target, spent):
            return forget(_redirect(_told(vault, target, parties, "connected")), vault, spent)
        case Disconnected(parties, ended, target):
            return _redirect(_told(vault, target, parties, ENDED[ended]))
        case Failed():
            return _redirect(_failure_location(vault, step))


def _asked(vault: Vault, request: Request, step: Ask) -> Response:
    """The page on which a person agrees, with a form that only this browser can send."""
    binding, token = forms.issue(vault, request)
    link = f"{request.url.path}?{request.url.query}"
    asks = step.what == "connect"
    shown = page(
        "ask_connect" if asks else "ask_disconnect",
        names={**names_of(step.parties), "customer": step.customer},
        facts=_facts(vault, step) if asks else (),
        form=Form(link, token, danger=not asks),
    )
    return bind(shown, vault, binding)


def _facts(vault: Vault, step: Ask) -> list[tuple[str, str, str]]:
    """Who asks, for whom, from where."""
    at = step.parties.back if step.target == vault.callback_page else origin_of(step.target)
    site = (at or "").partition("://")[2]
    return [
        ("Asked by", step.parties.application, site),
        ("For", step.customer, f"an account at {step.parties.application}"),
        ("From", step.parties.service or "the service", "you sign in there next"),
    ]


def _told(vault: Vault, target: str, parties: Parties, said: Said, code: str = "") -> str:
    """`target` as it was named; our own page, which knows nothing by itself, with a signed word of what happened."""
    if target != vault.callback_page:
        return target
    told = outcome.signed(vault, Outcome(said, parties.service, parties.application, parties.back, code))
    return f"{target}?{urlencode({'outcome': told})}"


def _failure_location(vault: Vault, failed: Failed) -> str:
    """The target with the error in its query; the fragment, where a token could stand, is dropped."""
    name = errors.type_name(failed.error)
    named = {
        "error_type": name,
        "error_message": _message(failed.error)[:MESSAGE_LIMIT],
        "origin": failed.origin,
        "service_id": failed.service_id,
        "application_id": failed.application_id,
        "ref": errors.reference(name),
    }
    target = _told(vault, failed.target, failed.parties, said_of(failed.error), name)
    scheme, host, path, query, _ = urlsplit(target)
    return urlunsplit((scheme, host, path, "&".join(filter(None, [query, urlencode(named)])), ""))


def _message(error: HoldfastError) -> str:
    """Of a provider's answer nothing but a code that a standard defines: products show this text, as their own."""
    if not isinstance(error, ProviderError):
        return errors.sentence(error)
    code = error.code if error.code in OUTCOMES else None
    kind = next(kind for kind in type(error).__mro__ if kind in REFUSED)
    return REFUSED[kind] + (f" ({code})." if code else ".")


def names_of(parties: Parties) -> dict[str, str]:
    """The names that a page may say."""
    known = {"application": parties.application, "service": parties.service}
    return {role: name for role, name in known.items() if name}


def _redirect(location: str) -> Response:
    """A 301, which browsers keep for ever unless they are told not to (RFC 9110 section 15.4.2)."""
    response = RedirectResponse(location, 301)
    # Starlette quotes what is already a URL; the location goes out as it was made.
    response.headers["Location"] = location
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Robots-Tag"] = "noindex"
    return response


def bind(response: Response, vault: Vault, binding: Binding) -> Response:
    """Sets a cookie that the browser also sends when the provider leads it back here (SameSite=Lax)."""
    response.set_cookie(
        binding.name, binding.text, max_age=binding.lifetime, path="/", secure=vault.secure, httponly=True,
        samesite="lax",
    )  # fmt: skip
    return response


def forget(response: Response, vault: Vault, name: str | None) -> Response:
    """Takes a cookie away that has done its work, if there was one."""
    return bind(response, vault, Binding(name, "", 0)) if name else response

"""What every flow is given, and the one driver."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar
from urllib.parse import quote, quote_plus, urlencode, urlsplit, urlunsplit

from holdfast.domain.credential import Client
from holdfast.domain.exchange import Request, Response, Send
from holdfast.domain.manifest.connector import Connector, OAuth, Setting
from holdfast.domain.manifest.template import Values, render
from holdfast.errors import GrantDeferred, HoldfastError, NoAnswer
from holdfast.grants.sent import Sent

T = TypeVar("T")


@dataclass(frozen=True, slots=True, repr=False)
class Setup:
    """What a flow knows of a connection: its connector, the OAuth client, the values for templates.

    `hosts` are the only hosts its requests may go to. `values` holds secrets, so a Setup does not print. `scopes` are
    what an authorization would ask for; None leaves them to the manifest's default.
    """

    connector: Connector
    hosts: tuple[str, ...]
    client: Client | None = None
    values: Values = field(default_factory=dict)
    scopes: tuple[str, ...] | None = None

    @property
    def oauth(self) -> OAuth:
        oauth = self.connector.auth.oauth
        assert oauth is not None, f"{self.connector.id} is not an OAuth connector"
        return oauth

    def having(self, **namespaces: Mapping[str, str]) -> Setup:
        """The same set-up with more values, e.g. `having(cred={"access_token": …})`."""
        merged = {name: {**self.values.get(name, {}), **values} for name, values in namespaces.items()}
        return replace(self, values={**self.values, **merged})

    def secrets(self) -> tuple[str, ...]:
        """Every value that is secret: of the OAuth client, of the token, of the settings."""
        return tuple(filter(None, self._secrets()))

    def _secrets(self) -> Iterator[str]:
        yield from (value for name, value in self.values.get("cred", {}).items() if name != "client_id")
        yield from _secret_ones(self.connector.at("connection"), self.values.get("settings", {}))
        yield from _secret_ones(self.connector.at("integration"), self.values.get("app", {}))


def _secret_ones(settings: Iterable[Setting], given: Mapping[str, str]) -> Iterator[str]:
    return (given.get(setting.id, "") for setting in settings if setting.sensitive)


def asked_scopes(setup: Setup) -> dict[str, str]:
    """The parameter with the scopes that this connection is authorized with; empty without scopes."""
    word = setup.oauth.scopes
    listed = setup.scopes if setup.scopes is not None else tuple(render(s, setup.values) for s in word.default)
    text = word.separator.join(filter(None, listed))
    return {word.param: text} if text else {}


async def drive(flow: Generator[Request, Response, T], send: Send, sent: Sent) -> T:
    """Performs a flow's requests with `send` until it returns. What it gives or raises holds nothing that was `sent`.

    GrantDeferred if one of them brought no answer; it is `ambiguous` if the provider may have acted all the same.
    """
    try:
        request = next(flow)
        while True:
            sent.carries(request)
            request = flow.send(await send(request))
    except StopIteration as done:
        return sent.left_out_of(done.value)  # type: ignore[no-any-return]
    except NoAnswer as error:
        raise GrantDeferred(str(error), status=error.status, ambiguous=error.may_have_acted) from None
    except HoldfastError as error:
        raise sent.hidden_in(error) from None
    finally:
        flow.close()


def form(members: Mapping[str, Any]) -> bytes:
    return urlencode(members).encode()


def document(members: Mapping[str, Any]) -> bytes:
    return json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode()


def with_query(url: str, members: Mapping[str, str], *, plus: bool = False) -> str:
    """`url` with `members` added to its query, percent-encoded (`plus`: a space as `+`); any fragment is dropped."""
    scheme, host, at, query, _ = urlsplit(url)
    added = urlencode(members, quote_via=quote_plus if plus else quote)
    return urlunsplit((scheme, host, at, "&".join(filter(None, [query, added])), ""))

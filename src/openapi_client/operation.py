"""How a method of an API class becomes a request: its signature is the description.

A method is declared with its HTTP method and path, typed parameters and no body. Where a parameter goes follows
from its name: into the path if the path names it, into a header if it starts with `x_` or `if_`, into the JSON body
if it is a model or called `body`, else into the query. Both methods of an operation, the plain one and the one
`with_http_info`, come from that declaration. Knows nothing of hosts, keys and connections.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import update_wrapper
from inspect import Parameter, Signature, signature
from typing import Any, Concatenate, Literal, ParamSpec, TypedDict, TypeVar, cast, get_args, get_type_hints
from urllib.parse import quote, urlencode

from openapi_client.api_response import ApiResponse
from openapi_client.exceptions import ApiTypeError, ApiValueError
from openapi_client.model import Model, checked, encoded

Api = TypeVar("Api")
P = ParamSpec("P")
T = TypeVar("T")
Method = TypeVar("Method", bound=Callable[..., Any])


class Options(TypedDict, total=False):
    """Keywords every method takes beside its own.

    `_request_timeout`: seconds to connect and wait together, or a pair, to connect and for each wait for data; (10, 60)
    unless given. `_headers`: headers that go before all others. `_request_auth`: another credential for this call,
    `{"in": "header", "key": "Authorization", "value": …}`. `_content_type`: of the body, in place of
    application/json. `_host_index`: 0, there being one host.
    """

    _request_timeout: float | tuple[float, float] | None
    _headers: dict[str, str] | None
    _request_auth: dict[str, str] | None
    _content_type: str | None
    _host_index: Literal[0]


class RedirectOptions(Options, total=False):
    """And of those that answer by a redirect. `_follow_redirects=False`: the redirect itself is the answer."""

    _follow_redirects: bool


@dataclass(frozen=True, slots=True, repr=False)
class Request:
    """One call, complete but for the host and the key. `path` includes the query."""

    path: str
    headers: dict[str, str]
    body: bytes | None
    options: dict[str, Any]


class Operation:
    """A declared method, read once. `keyed`: it sends the API key, answers JSON and never a redirect."""

    def __init__(self, stub: Callable[..., Any], method: str, path: str, *, keyed: bool) -> None:
        types = get_type_hints(stub)
        self.name, self.method, self.path, self.keyed = stub.__name__, method, path, keyed
        self.returns = types.pop("return")
        options = get_type_hints(get_args(types.pop("options"))[0])
        self.places = {name: _place(name, kind, path) for name, kind in types.items()}
        self.types = types | options
        self.signature = _spelled_out(signature(stub), options)

    def request(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request:
        """What a call with these arguments sends. `ApiTypeError` and `ApiValueError` tell what to pass instead."""
        try:
            return self._placed(self._values(args, kwargs))
        except UnicodeEncodeError:
            raise ApiValueError(f"{self.name}: a text holds half a character, which UTF-8 does not carry") from None

    def _placed(self, values: dict[str, Any]) -> Request:
        given: dict[str, dict[str, Any]] = {place: {} for place in ("path", "query", "header", "body", "option")}
        for name, value in values.items():
            if value is not None:
                given[self.places.get(name, "option")][name] = value
        path = self.path.format_map({name: self._segment(name, value) for name, value in given["path"].items()})
        query = urlencode({name: _text(value) for name, value in given["query"].items()}, quote_via=quote)
        return Request(
            path=f"{path}?{query}" if query else path,
            headers={name.replace("_", "-"): value for name, value in given["header"].items()},
            body=next((encoded(value) for value in given["body"].values()), None),
            options=given["option"],
        )

    def _values(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        try:
            bound = self.signature.bind(self, *args, **kwargs).arguments
        except TypeError as error:
            raise ApiTypeError(f"{self.name}: {error}; it takes {', '.join(self.types)}") from None
        del bound["self"]
        return {name: checked(value, self.types[name], f"{self.name}: {name}") for name, value in bound.items()}

    def _segment(self, name: str, value: str) -> str:
        if value in {"", ".", ".."}:
            raise ApiValueError(f"{self.name}: {name} is {value!r}, which would lead to another path")
        return quote(value, safe="")


def operation(method: str, path: str, *, keyed: bool = True) -> Callable[[Method], Method]:
    """Declare a method of an API class, which needs an `api_client`."""

    def declare(stub: Method) -> Method:
        declared = Operation(stub, method, path, keyed=keyed)

        def call(self: Any, /, *args: Any, **kwargs: Any) -> Any:
            return self.api_client.call(declared, declared.request(args, kwargs)).data

        update_wrapper(call, stub)
        vars(call).update(operation=declared, __signature__=declared.signature)
        return cast(Method, call)

    return declare


def with_http_info(method: Callable[Concatenate[Api, P], T]) -> Callable[Concatenate[Api, P], ApiResponse[T]]:
    """The same operation, answered by the whole `ApiResponse`."""
    declared: Operation = vars(method)["operation"]

    def call(self: Any, /, *args: Any, **kwargs: Any) -> ApiResponse[T]:
        response: ApiResponse[T] = self.api_client.call(declared, declared.request(args, kwargs))
        return response

    update_wrapper(call, method)
    call.__name__ += "_with_http_info"
    call.__qualname__ += "_with_http_info"
    vars(call)["__signature__"] = declared.signature.replace(
        return_annotation=f"ApiResponse[{declared.signature.return_annotation}]"
    )
    return cast("Callable[Concatenate[Api, P], ApiResponse[T]]", call)


def _place(name: str, kind: Any, path: str) -> str:
    if "{" + name + "}" in path:
        return "path"
    if name.startswith(("x_", "if_")):
        return "header"
    return "body" if name == "body" or (isinstance(kind, type) and issubclass(kind, Model)) else "query"


def _spelled_out(declared: Signature, options: dict[str, Any]) -> Signature:
    """The signature with each option named, so that a wrong one is refused and help() shows the right ones."""
    own = [parameter for parameter in declared.parameters.values() if parameter.kind is not Parameter.VAR_KEYWORD]
    named = [Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=kind) for name, kind in options.items()]
    return declared.replace(parameters=[*own, *named])


def _text(value: Any) -> str:
    """A query value; several are joined by a space (OpenAPI's style spaceDelimited, OAuth's form of `scope`)."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return " ".join(value) if isinstance(value, list) else value

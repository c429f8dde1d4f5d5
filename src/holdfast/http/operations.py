"""An operation, declared once: its route, how its parameters are read, and its entry in `/openapi.json`.

    @api.operation("GET", "/vault/connections/{unified_api}/{service_id}", "connectionsOne", summary="Get connection")
    async def one(call: Call, service_id: ServiceId, unified_api: UnifiedApi) -> GetConnectionResponse: ...

The signature is the declaration. Parameters are `Annotated` with a `Param` and stand in the order in which
generated clients take them, after the two selectors that every operation with an API key has; the one parameter
annotated with a `Body` is the request body. A handler returns a struct, which is encoded with the operation's
status, or a response of its own.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Send
from starlette.types import Scope as AsgiScope

from holdfast.domain.tenancy import Action, Caller, ConsumerScope, Scope
from holdfast.errors import RequestValidationError, WrongKeyError
from holdfast.http import callers
from holdfast.http.body import read_json
from holdfast.http.guesses import Guesses
from holdfast.http.teller import Teller
from holdfast.usecases.vault import Vault

Security = Literal["key", "admin", "none"]
QUERY_LIMIT = 16_384
NOT_MODIFIED = 304
T = TypeVar("T")
_encode = msgspec.json.Encoder().encode
_JSON = (b"content-type", b"application/json")


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter in the path, the query or a header. `lenient`: documented as required, and yet the handler can do
    without it."""

    where: Literal["path", "query", "header"]
    name: str
    description: str
    example: Any = None
    style: str | None = None
    lenient: bool = False


@dataclass(frozen=True, slots=True)
class Header:
    """A header that a handler reads for itself, as `/openapi.json` describes it."""

    name: str
    description: str
    example: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Body:
    """The request body. `documented` is the schema that `/openapi.json` shows in place of the one that is read.

    `lenient`: documented as required, and yet read as an empty object where there is none.
    """

    description: str
    required: bool = True
    documented: Any = None
    lenient: bool = False


@dataclass(slots=True)
class Versioned(Generic[T]):
    """An answer that has an entity tag (RFC 9110 section 8.8.3); without an answer, the one that the caller has."""

    version: str
    answer: T | None

    def headers(self) -> list[tuple[bytes, bytes]]:
        return [(b"etag", b'"%s"' % self.version.encode())]


class Call(msgspec.Struct, gc=False):
    """One request: who asks, and what the handler works with. A struct, for one is made for each request."""

    vault: Vault
    scope: Scope
    teller: Teller
    asgi: AsgiScope
    receive: Receive

    @property
    def request(self) -> Request:
        """The request itself, for the few handlers that look at it."""
        return Request(self.asgi, self.receive)

    @property
    def consumer(self) -> ConsumerScope:
        """The scope of an operation that requires a consumer."""
        assert isinstance(self.scope, ConsumerScope), "the operation does not require a consumer"
        return self.scope


@dataclass(frozen=True, slots=True)
class Parameter:
    """A declared parameter as the handler takes it."""

    argument: str
    param: Param
    type: Any
    default: Any

    @property
    def required(self) -> bool:
        return self.default is inspect.Parameter.empty


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation as it was declared."""

    method: str
    path: str
    operation_id: str
    summary: str
    description: str
    tag: str
    handler: Callable[..., Awaitable[Any]]
    status: int
    security: Security
    needs: Action
    consumer: bool
    parameters: tuple[Parameter, ...]
    body: tuple[str, Any, Body] | None
    returns: Any
    errors: tuple[int, ...]
    versioned: bool = False
    headers: tuple[Header, ...] = ()
    streams: bool = False


@dataclass
class Api:
    """The declared operations of one part of the API."""

    tag: str
    operations: list[Operation] = field(default_factory=list)

    def operation(
        self,
        method: str,
        path: str,
        operation_id: str,
        *,
        summary: str,
        status: int = 200,
        security: Security = "key",
        needs: Action = "connections",
        consumer: bool = True,
        errors: tuple[int, ...] = (400, 401, 402, 404, 422),
        headers: tuple[Header, ...] = (),
        streams: bool = False,
    ) -> Callable[[Callable[..., Awaitable[Any]]], Callable[..., Awaitable[Any]]]:
        """Declares the decorated handler as the operation. `consumer`: whether the consumer selector is required;
        `streams`: whether its bodies may be anything, which the handler deals with."""

        def declare(handler: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
            parameters, body = _signature(handler)
            returns = get_type_hints(handler)["return"]
            versioned = get_origin(returns) is Versioned
            self.operations.append(
                Operation(
                    method=method,
                    path=path,
                    operation_id=operation_id,
                    summary=summary,
                    description=inspect.getdoc(handler) or "",
                    tag=self.tag,
                    handler=handler,
                    status=status,
                    security=security,
                    needs=needs,
                    consumer=consumer,
                    parameters=parameters,
                    body=body,
                    returns=get_args(returns)[0] if versioned else returns,
                    errors=errors,
                    versioned=versioned,
                    headers=headers,
                    streams=streams,
                )
            )
            return handler

        return declare


class Endpoint:
    """Performs one operation, as an ASGI application: Starlette wraps plain functions in layers that cost more than
    the work inside. Errors leave as they are; `holdfast.http.app` turns them into answers."""

    def __init__(self, operation: Operation, vault: Vault, admin_token: str, teller: Teller, guesses: Guesses) -> None:
        self._operation = operation
        self._guesses = guesses
        self._vault = vault
        self._teller = teller
        self._admin_token = admin_token
        self._once = frozenset(p.param.name for p in operation.parameters if p.param.where == "query")
        self._headers = frozenset(
            p.param.name.lower().encode() for p in operation.parameters if p.param.where == "header"
        )
        self._unsent = _unsent(operation)

    async def __call__(self, asgi: AsgiScope, receive: Receive, send: Send) -> None:
        operation = self._operation
        call = Call(self._vault, await self._scope(asgi), self._teller, asgi, receive)
        arguments = self._arguments(asgi)
        if operation.body:
            name, type_, body = operation.body
            arguments[name] = _decode(await read_json(Request(asgi, receive)), type_, body)
        answer = await operation.handler(call, **arguments)
        if answer is None:
            answer = Response(status_code=operation.status)
        if isinstance(answer, Response):
            await answer(asgi, receive, send)
        elif isinstance(answer, Versioned):
            status = operation.status if answer.answer is not None else NOT_MODIFIED
            await _respond(send, status, answer.answer, answer.headers())
        else:
            await _respond(send, operation.status, answer, [])

    def _arguments(self, asgi: AsgiScope) -> dict[str, Any]:
        """Most requests send nothing beside their path, and are not searched for it."""
        if self._unsent is None or (self._once and asgi["query_string"]):
            return _arguments(asgi, self._operation.parameters, self._once)
        if self._headers and not self._headers.isdisjoint([name for name, _ in asgi["headers"]]):
            return _arguments(asgi, self._operation.parameters, self._once)
        return {**asgi["path_params"], **self._unsent}

    async def _scope(self, asgi: AsgiScope) -> Scope:
        operation, headers = self._operation, asgi["headers"]
        try:
            if operation.security == "key":
                return await callers.scope_of(headers, self._vault, operation.needs, consumer=operation.consumer)
            if operation.security == "admin":
                callers.require_admin(headers, self._admin_token)
        except WrongKeyError:
            self._guesses.wrong("admin" if operation.security == "admin" else "key", address(asgi))
            raise
        # Neither has an application yet: the path names one, or the state that a browser brings.
        return Scope("", Caller.own("admin") if operation.security == "admin" else Caller("browser"))


async def _respond(send: Send, status: int, answer: Any, headers: list[tuple[bytes, bytes]]) -> None:
    """Sends `answer` as JSON; nothing if there is none."""
    body = b"" if answer is None else _encode(answer)
    if answer is not None:
        headers += [_JSON, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def address(asgi: AsgiScope) -> str:
    """Where the connection comes from: the caller, or the proxy in front."""
    client: tuple[str, int] | None = asgi.get("client")
    return client[0] if client else ""


def route(operation: Operation, vault: Vault, admin_token: str, teller: Teller, guesses: Guesses) -> Route:
    """The route that performs `operation`."""
    endpoint = Endpoint(operation, vault, admin_token, teller, guesses)
    made = Route(operation.path, endpoint, methods=[operation.method])
    if made.methods and operation.method != "HEAD":
        # Starlette answers HEAD wherever it answers GET; a link scanner's HEAD must not spend a state.
        made.methods.discard("HEAD")
    return made


def single_query(request: Request, names: frozenset[str]) -> dict[str, str]:
    """The query with each of `names` at most once; other parameters are ignored. RequestValidationError else."""
    if len(request.scope["query_string"]) > QUERY_LIMIT:
        raise RequestValidationError("The query is too long.")
    found: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name in found and name in names:
            raise RequestValidationError(f"The parameter {name} was sent more than once.")
        found[name] = value
    return found


def _unsent(operation: Operation) -> dict[str, Any] | None:
    """What the handler takes beside the texts of its path if nothing else is sent; None if that cannot be told."""
    named = [p for p in operation.parameters if p.param.where == "path"]
    others = [p for p in operation.parameters if p.param.where != "path"]
    as_they_stand = all(p.type is str and p.argument == p.param.name for p in named)
    if not as_they_stand or len(named) != operation.path.count("{") or any(p.required for p in others):
        return None
    return {p.argument: p.default for p in others}


def _arguments(asgi: AsgiScope, parameters: tuple[Parameter, ...], once: frozenset[str]) -> dict[str, Any]:
    # Most requests have no query, and to read none costs as much as to open a token.
    query = single_query(Request(asgi), once) if once and asgi["query_string"] else {}
    sources: dict[str, Mapping[str, str]] = {"path": asgi["path_params"], "query": query, "header": Headers(scope=asgi)}
    found: dict[str, Any] = {}
    for parameter in parameters:
        raw = sources[parameter.param.where].get(parameter.param.name)
        if raw is None or (raw == "" and not parameter.required):
            if parameter.required:
                raise RequestValidationError({"missing": [{parameter.param.name: "required"}]})
            found[parameter.argument] = parameter.default
        else:
            found[parameter.argument] = raw if parameter.type is str else _convert(raw, parameter)
    return found


def _convert(raw: str, parameter: Parameter) -> Any:
    if "\x00" in raw:
        raise RequestValidationError(f"The parameter {parameter.param.name} holds a NUL.")
    if parameter.param.style == "spaceDelimited":
        return raw.split()
    # Not `bool | None`: of the two, the text "null" would be the second.
    kind = bool if bool in get_args(parameter.type) else parameter.type
    try:
        return msgspec.convert(raw, kind, strict=False)
    except msgspec.ValidationError:
        raise RequestValidationError(f"The parameter {parameter.param.name} does not have the expected type.") from None


def _decode(document: Any, type_: Any, body: Body) -> Any:
    if document is None:
        if body.required and not body.lenient:
            raise RequestValidationError("The request needs a JSON body.")
        document = {}
    try:
        return msgspec.convert(document, type_)
    except msgspec.ValidationError as error:
        raise RequestValidationError(str(error)) from None


def _signature(handler: Callable[..., Awaitable[Any]]) -> tuple[tuple[Parameter, ...], tuple[str, Any, Body] | None]:
    hints = get_type_hints(handler, include_extras=True)
    parameters: list[Parameter] = []
    body: tuple[str, Any, Body] | None = None
    for name, declared in list(inspect.signature(handler).parameters.items())[1:]:
        hint = hints[name]
        if get_origin(hint) is not Annotated:
            raise TypeError(f"{handler.__name__}: parameter {name} is neither a Param nor a Body")
        type_, mark = get_args(hint)[:2]
        if isinstance(mark, Param):
            parameters.append(Parameter(name, mark, type_, declared.default))
        else:
            body = (name, type_, mark)
    return tuple(parameters), body

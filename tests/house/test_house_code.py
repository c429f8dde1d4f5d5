"""Code in which nothing only forwards, no vendor is named, and secrets and tenants have their doors."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import pytest
from tree import ROOT, at, functions, parse, sources

PRODUCT = "src/holdfast"
# The data, and the outside world that tests play: both name vendors and make up secrets.
BESIDE = ("src/holdfast/connectors", "src/holdfast/testing")

# The one method of a protocol that the system already has.
MAY_FORWARD = {"src/holdfast/clock.py sleep"}

# Where a secret's value may be read. Each of these seals it, sends it to its provider, or shows it to nobody.
MAY_REVEAL = {
    "src/holdfast/domain/credential.py",
    "src/holdfast/grants/authorize.py",
    "src/holdfast/grants/revoke.py",
    "src/holdfast/grants/token.py",
    "src/holdfast/http/wire/credential.py",
    "src/holdfast/outbound/tls.py",
    "src/holdfast/domain/masking.py",
    "src/holdfast/store/integrations.py",
    "src/holdfast/store/revocations.py",
    "src/holdfast/store/rows.py",
    "src/holdfast/store/tenants.py",
    "src/holdfast/usecases/credential/setup.py",
    "src/holdfast/usecases/manage/integrations.py",
}

# What has no tenant yet and gives it instead, works for all of them, or makes a new one. A leased job is a right of
# its own: whoever holds the lease may say what became of it.
WITHOUT_SCOPE = {
    "flows.spend", "flows.try_confirmation",
    "jobs.arm", "jobs.finish", "jobs.give_back", "jobs.heartbeat", "jobs.rearm", "jobs.reseal", "jobs.retry",
    "jobs.set_aside", "jobs.set_aside_unknown", "jobs.take", "deletion.queue_forgotten", "retention.purge",
    "silence.forget_node", "silence.nodes", "silence.silent_processes", "silence.speak_for", "silence.tell",
    "silence.untold", "tenants.add_application", "tenants.applications", "tenants.unconfirmed", "tenants.by_key",
    "due.take", "circuits.count",
}  # fmt: skip


def product(root: Path) -> list[Path]:
    return [f for f in sources(root, PRODUCT) if not any(f.is_relative_to(root / beside) for beside in BESIDE)]


def forwarders(root: Path) -> list[str]:
    return [
        f"{at(root, file, function)} {function.name}"
        for file in sources(root, "src")
        for function in functions(parse(file))
        if _only_forwards(function, _imported(parse(file)))
        if f"{at(root, file)} {function.name}" not in MAY_FORWARD
    ]


def vendors(root: Path) -> list[str]:
    """Service ids as words of the code. What a docstring tells by way of example is no word of the code."""
    services = {manifest.parent.name for manifest in sources(root, BESIDE[0], suffixes=(".yaml",))}
    return [
        f"{at(root, file, node)} {node.value!r}"
        for file in product(root)
        for node in ast.walk(parse(file))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.lower() in services
    ]


def reveals(root: Path) -> list[str]:
    return [
        at(root, file, node)
        for file in product(root)
        if at(root, file) not in MAY_REVEAL
        for node in ast.walk(parse(file))
        if isinstance(node, ast.Attribute) and node.attr == "reveal"
    ]


def unscoped(root: Path) -> list[str]:
    """Public functions on a `Store` that do not take a `Scope` before it."""
    return [
        f"{file.stem}.{function.name}"
        for file in sources(root, f"{PRODUCT}/store")
        for function in parse(file).body
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and not function.name.startswith("_")
        if "Store" in _annotations(function) and _annotations(function)[0] not in ("Scope", "ConsumerScope")
    ]


def _annotations(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    arguments = function.args.posonlyargs + function.args.args
    return [ast.unparse(a.annotation) if a.annotation else "" for a in arguments]


def _imported(module: ast.Module) -> set[str]:
    imports = (node for node in ast.walk(module) if isinstance(node, ast.Import | ast.ImportFrom))
    return {(alias.asname or alias.name).partition(".")[0] for node in imports for alias in node.names}


def _only_forwards(function: ast.FunctionDef | ast.AsyncFunctionDef, imported: set[str]) -> bool:
    """Whether all it does is to hand its own arguments, unchanged and in their order, to another function.

    A default, or a method that shows a part of what its object hides, is a decision.
    """
    body = function.body[1:] if ast.get_docstring(function) else function.body
    if function.decorator_list or function.args.defaults or len(body) != 1:
        return False
    if not isinstance(body[0], ast.Return | ast.Expr):
        return False
    call = body[0].value.value if isinstance(body[0].value, ast.Await) else body[0].value
    return isinstance(call, ast.Call) and _is_function(call.func, imported) and _handed(call) == _taken(function)


def _is_function(called: ast.expr, imported: set[str]) -> bool:
    """`function`, `module.function`, `self.method`; not `self._part.method` nor the method of a local value."""
    if isinstance(called, ast.Attribute):
        return isinstance(called.value, ast.Name) and called.value.id in {"self", "cls", *imported}
    return isinstance(called, ast.Name)


def _handed(call: ast.Call) -> list[str | None]:
    by_name = [k.arg if isinstance(k.value, ast.Name) and k.value.id == k.arg else None for k in call.keywords]
    return [*(a.id if isinstance(a, ast.Name) else None for a in call.args), *by_name] or [None]


def _taken(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    arguments = function.args.posonlyargs + function.args.args + function.args.kwonlyargs
    return [a.arg for a in arguments if a.arg not in ("self", "cls")]


def test_no_function_only_forwards() -> None:
    """Whoever follows a call arrives at work, not at another call."""
    assert forwarders(ROOT) == []


@pytest.mark.parametrize(
    "code",
    [
        "def load(path):\n    return read(path)",
        "import store\nasync def load(path, *, strict):\n    'I.'\n    return await store.read(path, strict=strict)",
        "class Loader:\n    def load(self, path):\n        read(path)",
    ],
)
def test_a_forwarder_is_found(plant: Callable[[str, str], Path], code: str) -> None:
    """A function, coroutine or method that only renames another one is found."""
    assert len(forwarders(plant("src/holdfast/loading.py", code))) == 1


@pytest.mark.parametrize(
    "code",
    [
        "def load(path):\n    return read(path, 'r')",
        "def load(folder, name):\n    return read(name, folder)",
        "def load(path, strict=True):\n    return read(path, strict)",
        "def load(path, now):\n    return read(path, at=now)",
        "class Loader:\n    def load(self, path):\n        return self._files.read(path)",
        "class Loader:\n    def close(self):\n        self.stop()",
    ],
)
def test_a_function_that_decides_something_is_none(plant: Callable[[str, str], Path], code: str) -> None:
    """To add an argument, to order, default or name them, and to show a hidden part, is to decide something."""
    assert forwarders(plant("src/holdfast/loading.py", code)) == []


def test_no_vendor_is_named_in_the_code() -> None:
    """What is special about a service stands in its manifest."""
    assert vendors(ROOT) == []


def test_a_vendor_in_the_code_is_found(plant: Callable[[str, str], Path]) -> None:
    """A branch on a service id is found, and its manifest is not."""
    plant("src/holdfast/connectors/acme-crm/connector.yaml", "id: acme-crm\n")
    root = plant("src/holdfast/usecases/proxy.py", "if service_id == 'acme-crm':\n    slow()\n")

    assert vendors(root) == ["src/holdfast/usecases/proxy.py:1 'acme-crm'"]


def test_secrets_are_revealed_behind_few_doors() -> None:
    """Only the modules that must may read a secret's value."""
    assert reveals(ROOT) == []


def test_a_revealed_secret_is_found(plant: Callable[[str, str], Path]) -> None:
    """Neither a call nor a reference to `reveal` goes unseen."""
    root = plant("src/holdfast/http/wire.py", "a = token.reveal()\nb = map(Secret.reveal, tokens)\n")

    assert reveals(root) == ["src/holdfast/http/wire.py:1", "src/holdfast/http/wire.py:2"]


def test_every_store_function_is_limited_to_a_tenant() -> None:
    """A store function takes a Scope first; the few that cannot are known by name."""
    assert set(unscoped(ROOT)) == WITHOUT_SCOPE


def test_a_store_function_without_a_scope_is_found(plant: Callable[[str, str], Path]) -> None:
    """A Scope in second place is too late: it is the first thing that a caller must have."""
    root = plant(
        "src/holdfast/store/notes.py",
        "async def one(scope: Scope, store: Store): ...\nasync def all(store: Store, scope: Scope): ...\n",
    )

    assert unscoped(root) == ["notes.all"]

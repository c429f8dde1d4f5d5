"""The generated pages of `docs/reference`: the manifest's vocabulary, and the connectors that come with Holdfast.

`python -m holdfast.catalog.pages docs/reference` writes them; a test compares them with what stands there.
"""

from __future__ import annotations

import inspect as python
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect

from holdfast.catalog.index import Catalog
from holdfast.catalog.vocabulary import CONNECTOR
from holdfast.domain.manifest.connector import Connector

_NOTE = "<!-- Written by `python -m holdfast.catalog.pages docs/reference`; change what they tell, not this page. -->\n"

_INTRODUCTION = """\
# The connector manifest

{note}
A connector is one file, `connectors/<service_id>/connector.yaml`. This page lists every word that it may use.
Words that equal their default are left out. An unknown word is an error, and so is a value of the wrong type;
`holdfast connectors check` tells the file, the line and the word.

The file is YAML 1.2 (core schema): `true` and `false` are the only booleans, and a date is a text.

## Kinds of text

**Template**: text with `{{namespace.key}}` in it. `{{shop}}` is short for `{{settings.shop}}`; `{{{{` and `}}}}` are
literal braces. There are no expressions, only filters: `{{account|host}}`, one after another.

| namespace | what it holds |
|---|---|
| `settings` | the connection's settings |
| `app` | the application's own settings, those of level `integration` |
| `cred` | `access_token`, `refresh_token`, `client_id`, `client_secret`; in `revoke` also `token`, `token_type_hint` |
| `resource` | in `custom_fields`: `id`, and what `resources` says of the resource |
| `sys` | `now` and `now_ms`, the time in seconds and milliseconds since 1970; `uuid`, random at each use |

| filter | what it makes of a value |
|---|---|
| `default:'x'` | `x` if there is no value |
| `lower`, `upper` | lower, upper case |
| `host` | lower case, with `-` for `_` |
| `bare_label` | the first label of a host name or an address: `acme` of `https://acme.example.com/` |
| `strip_scheme` | an address without its scheme |
| `base64`, `urlencode` | the value, encoded |

Where a template stands decides how a value is escaped. In a host it must be a host label, in a path or a query it is
percent-encoded, in a header it may hold no control character; bodies are built from structures. A parameter, header or
member that comes out empty is left out; a URL with an empty part is an error. So a setting can never change which host
is called, add a parameter, or split a header.

**URL template**: an absolute address, as a template. Its host ends in a fixed name (`https://{{shop}}.example.com`), or
it is one of `hosts`.

**Path**: a place in a JSON answer: `$.org[0].id`, `data.token`, `items[].name`; `$` is the whole answer.

**Host pattern**: `api.example.com`; `*.example.com` is every host below; `www.example.{{com,eu}}` is two hosts.

**Word**: a path of words of this manifest: `auth.oauth.revoke.url`. An item of a list goes by its `id`:
`settings.shop.default`.
"""


def manifest_page() -> str:
    """`docs/reference/manifest.md`: every word, from the docstrings of `holdfast.domain.manifest.connector`."""
    sections = "\n".join(_section(known) for known in _groups(CONNECTOR))
    return f"{_INTRODUCTION.format(note=_NOTE)}\n{sections}"


def connectors_page(catalog: Catalog) -> str:
    """`docs/reference/connectors.md`: the connectors of `catalog`."""
    connectors = catalog.all()
    rows = "\n".join(_row(connector) for connector in connectors)
    return (
        f"# Connectors\n\n{_NOTE}\n{len(connectors)} connectors come with Holdfast. "
        "The last column counts the words of a manifest that nobody has confirmed at the vendor; "
        "the manifest names them under `verified`.\n\n"
        "| service | id | unified APIs | credential | settings | verify | custom fields | revoke | unconfirmed |\n"
        f"|---|---|---|---|---|---|---|---|---|\n{rows}\n"
    )


def _row(connector: Connector) -> str:
    oauth = connector.auth.oauth
    credential = f"OAuth, {oauth.grant.replace('_', ' ')}" if oauth else connector.auth.type
    cells = [
        f"[{connector.name}]({connector.docs or connector.website})",
        f"`{connector.id}`",
        ", ".join(connector.unified_apis),
        credential,
        ", ".join(f"`{s.id}`" for s in connector.settings if not s.hidden),
        "yes" if connector.verify else "",
        ", ".join("any" if name == "*" else name for name in connector.custom_fields),
        "yes" if oauth and oauth.revoke else "",
        str(len(connector.verified.unverified) or ""),
    ]
    return f"| {' | '.join(cells)} |"


def _groups(known: Any, seen: set[type] | None = None) -> Iterator[inspect.StructType]:
    """The groups of words below `known`, each once, as a reader meets them."""
    seen = set() if seen is None else seen
    if isinstance(known, inspect.StructType):
        if known.cls in seen:
            return
        seen.add(known.cls)
        yield known
    for part in _parts(known):
        yield from _groups(part, seen)


def _parts(known: Any) -> list[Any]:
    match known:
        case inspect.StructType():
            return [field.type for field in known.fields]
        case inspect.UnionType():
            return list(known.types)
        case inspect.DictType():
            return [known.value_type]
        case inspect.VarTupleType():
            return [known.item_type]
        case inspect.Metadata():
            return [known.type]
    return []


def _section(known: inspect.StructType) -> str:
    about, meanings = _docstring(known.cls)
    rows = "\n".join(
        f"| `{f.encode_name}` | {_type(f.type)} | {_default(f)} | {meanings[f.encode_name]} |" for f in known.fields
    )
    return f"## {known.cls.__name__}\n\n{about}\n\n| word | type | default | meaning |\n|---|---|---|---|\n{rows}\n"


def _docstring(cls: type) -> tuple[str, dict[str, str]]:
    """What a docstring says of the group, and of each word (`word: meaning`, indented lines go on)."""
    about, _, words = python.cleandoc(cls.__doc__ or "").partition("\n\n")
    entries = re.findall(r"^(\w+): (.*(?:\n[ ]+.*)*)", words, flags=re.MULTILINE)
    return " ".join(about.split()), {name: " ".join(meaning.split()) for name, meaning in entries}


def _type(known: Any) -> str:
    match known:
        case inspect.Metadata(extra={"is": str(kind)}):
            return kind
        case inspect.StructType():
            return f"[{known.cls.__name__}](#{known.cls.__name__.lower()})"
        case inspect.VarTupleType():
            return f"list of {_type(known.item_type)}"
        case inspect.DictType():
            return f"mapping of {_type(known.key_type)} to {_type(known.value_type)}"
        case inspect.LiteralType():
            return ", ".join(f"`{value}`" for value in known.values)
        case inspect.UnionType():
            return " or ".join(_type(option) for option in known.types if not isinstance(option, inspect.NoneType))
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType():
            return "number"
    return "text"


def _default(field: inspect.Field) -> str:
    if field.required:
        return "required"
    default = field.default if field.default is not msgspec.NODEFAULT else _made(field)
    text = msgspec.json.encode(default).decode()
    if default is None or text in ("[]", "{}"):
        return ""
    return "a space" if default == " " else f"`{text}`"


def _made(field: inspect.Field) -> Any:
    return field.default_factory() if callable(field.default_factory) else None


def main() -> None:
    """Writes the pages to the folder that the first argument names."""
    folder = Path(sys.argv[1])
    (folder / "manifest.md").write_text(manifest_page(), encoding="utf-8")
    (folder / "connectors.md").write_text(connectors_page(Catalog.load()), encoding="utf-8")


if __name__ == "__main__":
    main()

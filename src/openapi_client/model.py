"""The ground all models stand on: members declared as annotations, checked when set, absent until set.

Absent and null are different things to the vault: a PATCH leaves alone what is absent and clears what is null. So
an instance holds only what was given to it, the class answers None for the rest, and `to_dict` gives what was set.

Reading forgives: an unknown member is passed over, an unknown word of an `OpenEnum` stays the word it is. Building
does not: a wrong name or type is an `ApiTypeError` at once. To add a model, declare its members in a module of
`openapi_client.models` and name it in that package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import cache, partial
from typing import TYPE_CHECKING, Any, NotRequired, Required, Self, TypedDict, dataclass_transform, get_type_hints

import msgspec

from openapi_client.exceptions import ApiTypeError, ApiValueError

MASK = "***"


class OpenEnum(StrEnum):
    """Words the vault uses, equal to their strings. A word a newer vault adds is taken as it comes."""

    @classmethod
    def _missing_(cls, value: object) -> OpenEnum | None:
        if not isinstance(value, str):
            return None
        word = str.__new__(cls, value)
        word._name_ = word._value_ = value
        return word

    __repr__ = str.__repr__


def _as_one_type(model: type) -> Any:
    members = {
        name: NotRequired[kind] if hasattr(model, name) else Required[kind] for name, kind in _types(model).items()
    }
    return TypedDict(model.__name__, members)  # type: ignore[operator]


# The members of a model and their types, read once for each; and the same as one type, so that an answer is checked
# in one go and not member by member.
_types: Callable[[type], dict[str, Any]] = cache(partial(get_type_hints, include_extras=True))
_shape: Callable[[type], Any] = cache(_as_one_type)


@dataclass_transform(kw_only_default=True)
class Model:
    """A JSON object with known members."""

    def __init__(self, **members: Any) -> None:
        for name, value in members.items():
            setattr(self, name, value)
        if missing := [name for name in _types(type(self)) if not hasattr(self, name)]:
            raise ApiTypeError(f"{type(self).__name__} needs {', '.join(missing)}")

    if not TYPE_CHECKING:  # to a type checker, a class with __setattr__ takes any name

        def __setattr__(self, name: str, value: object) -> None:
            model, types = type(self).__name__, _types(type(self))
            if name not in types:
                raise ApiTypeError(f"{model} has no member {name!r}; it has {', '.join(types)}")
            self.__dict__[name] = checked(value, types[name], f"{model}.{name}")

    @classmethod
    def from_dict(cls, obj: Mapping[str, Any]) -> Self:
        """The model of a parsed JSON object. `ApiTypeError` if a member it knows has another type."""
        if not isinstance(obj, Mapping):
            raise ApiTypeError(f"Expected `{cls.__name__}`, got `{type(obj).__name__}`")
        model = cls.__new__(cls)
        vars(model).update(checked(obj, _shape(cls), cls.__name__))
        return model

    @classmethod
    def from_json(cls, json_str: str | bytes) -> Self:
        """The model of a JSON text. `ApiValueError` if it is not JSON."""
        try:
            return cls.from_dict(msgspec.json.decode(json_str))
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise ApiValueError(f"{cls.__name__} is not JSON: {error}") from error

    def to_dict(self) -> dict[str, Any]:
        """The members that were set, null ones too, ready for JSON."""
        plain: dict[str, Any] = msgspec.to_builtins(self, enc_hook=members)
        return plain

    def to_json(self) -> str:
        """The same as a JSON text."""
        return encoded(self).decode()

    def _shown(self) -> dict[str, Any]:
        """The members for `repr`; a model that may carry secrets masks them here."""
        return dict(vars(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._shown().items())})"

    def __eq__(self, other: object) -> bool:
        return vars(self) == vars(other) if type(other) is type(self) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # members change


def members(model: object) -> dict[str, Any]:
    """A model as msgspec can write it."""
    if isinstance(model, Model):
        return vars(model)
    raise ApiTypeError(f"a value of type {type(model).__name__} has no form in JSON")


def encoded(value: object) -> bytes:
    """Models, and whatever else JSON has a form for, as JSON. `ApiTypeError` for the rest."""
    return msgspec.json.encode(value, enc_hook=members)


def checked(value: Any, kind: Any, name: str) -> Any:
    """`value` if it is of type `kind`; a mapping in place of a model becomes one. `ApiTypeError` tells `name`."""
    try:
        return msgspec.convert(value, kind, dec_hook=_model)
    except msgspec.ValidationError as error:
        raise ApiTypeError(f"{name}: {error}") from None


def _model(kind: type[Model], value: Any) -> Model:
    return value if isinstance(value, kind) else kind.from_dict(value)


def masked(settings: dict[str, Any] | None) -> dict[str, str] | None:
    """Settings with their names alone: any of them may be a password."""
    return settings and dict.fromkeys(settings, MASK)

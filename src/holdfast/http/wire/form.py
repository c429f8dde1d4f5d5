"""The fields that a consumer fills in, each encoded once except for what a connection says of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from holdfast.domain.connection import Connection
from holdfast.domain.form import shown
from holdfast.domain.manifest.connector import Option, Setting
from holdfast.http.wire.meanings import Help, Label, Placeholder
from holdfast.http.wire.words import FieldType, field_type

_encode = msgspec.json.Encoder().encode


class FormFieldOption(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One choice of a select."""

    label: Annotated[str, Meta(description="What the consumer sees.")]
    value: Annotated[str, Meta(description="What is stored.")]
    option_type: Annotated[Literal["simple"], Meta(description="`simple`.")]


Options = Annotated[list[FormFieldOption] | UnsetType, Meta(description="What a select offers.")]


class FormField(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A field of a form that the consumer fills in."""

    id: Annotated[str, Meta(description="The setting that the field fills in.")]
    label: Label
    value: Annotated[Any, Meta(description='What is stored; `""` for nothing, a mask for a secret.')] = UNSET
    placeholder: Placeholder = UNSET
    description: Help = UNSET
    type: Annotated[FieldType, Meta(description="How it is filled in; a `text` that is sensitive is a password.")]
    required: Annotated[bool, Meta(description="Whether the connection needs it.")]
    custom_field: Annotated[bool, Meta(description="Whether it is one of the service's custom fields.")] = (
        msgspec.field(default_factory=bool)
    )
    allow_custom_values: Annotated[bool, Meta(description="Whether a select takes values that it does not offer.")] = (
        msgspec.field(default_factory=bool)
    )
    disabled: Annotated[bool, Meta(description="Shown, and not to be changed now.")]
    hidden: Annotated[bool, Meta(description="Kept, and not shown.")]
    deprecated: Annotated[bool, Meta(description="Kept, and no longer asked for.")] = msgspec.field(
        default_factory=bool
    )
    sensitive: Annotated[bool, Meta(description="A secret: its value leaves the vault only as a mask.")]
    prefix: Annotated[str | UnsetType, Meta(description="Stands before the field.")] = UNSET
    suffix: Annotated[str | UnsetType, Meta(description="Stands after the field.")] = UNSET
    options: Options = UNSET


class Field:
    """One setting as a form field: the bytes that are always the same, and the setting for those that are not."""

    __slots__ = ("_constant", "_offered", "_setting", "blank")

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._constant = _encode(_field(setting))[:-1]
        self._offered = _offer(setting, setting.choices)
        self.blank = self._filled(setting.default or "", self._offered)

    def of(self, held: Connection) -> bytes:
        """The field with what `held` has in it."""
        setting = self._setting
        choices = held.choices.get(setting.id)
        value = shown(setting, held)
        if value is None and not choices:
            return self.blank
        offered = _offer(setting, [Option(**choice) for choice in choices]) if choices else self._offered
        return self._filled(value if value is not None else setting.default or "", offered)

    def _filled(self, value: Any, offered: bytes) -> bytes:
        return b'%b,"value":%b,%b' % (self._constant, _encode(value), offered)


def options(offered: Sequence[Option]) -> list[FormFieldOption]:
    """How the choices of a select are told."""
    return [FormFieldOption(label=o.label, value=o.value, option_type="simple") for o in offered]


class _Offer(msgspec.Struct, omit_defaults=True):
    """The members of a form field that hang on the choices there are."""

    disabled: bool
    options: list[FormFieldOption] | UnsetType


def _offer(setting: Setting, choices: Sequence[Option]) -> bytes:
    """The end of a form field: what can be chosen, and that nothing can be yet."""
    shown = options(choices) if choices or setting.type.endswith("select") else UNSET
    return _encode(_Offer(setting.options_from is not None and not choices, shown))[1:]


def _field(setting: Setting) -> dict[str, Any]:
    """What the manifest says of a form field, whoever fills it in."""
    told = FormField(
        id=setting.id,
        label=setting.label,
        placeholder=setting.placeholder or UNSET,
        description=setting.description or UNSET,
        type=field_type(setting.type),
        required=setting.required,
        disabled=False,
        hidden=setting.hidden,
        sensitive=setting.sensitive,
        prefix=setting.prefix or UNSET,
        suffix=setting.suffix or UNSET,
    )
    return {name: value for name, value in msgspec.to_builtins(told).items() if name not in _Offer.__struct_fields__}

"""A setting as a form would ask for it, and the choices it offers."""

from __future__ import annotations

from typing import Any

from openapi_client.model import MASK, Model


class FormFieldOption(Model):
    """A choice, or a titled group of them: `option_type` "simple" has a `value`, "group" has `id` and `options`."""

    label: str | None = None
    value: Any = None
    option_type: str | None = None
    id: str | None = None
    options: list[FormFieldOption] | None = None


class FormField(Model):
    """`id` names the setting, `type` the kind of input. A sensitive value is masked by the vault and in `repr`.

    disabled: shown, not to be changed. hidden, deprecated: kept, not shown.
    """

    id: str | None = None
    label: str | None = None
    value: Any = None
    placeholder: str | None = None
    description: str | None = None
    type: str | None = None
    required: bool | None = None
    custom_field: bool | None = None
    allow_custom_values: bool | None = None
    disabled: bool | None = None
    hidden: bool | None = None
    deprecated: bool | None = None
    sensitive: bool | None = None
    mask: bool | None = None
    prefix: str | None = None
    suffix: str | None = None
    options: list[FormFieldOption] | None = None

    def _shown(self) -> dict[str, Any]:
        shown = super()._shown()
        return {**shown, "value": MASK} if self.sensitive and self.value else shown

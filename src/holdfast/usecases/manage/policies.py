"""What an application's proxy lets through. A change holds on this node at once, on others within a second."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from holdfast.domain.policy import REST, Effect, Policy, Rule
from holdfast.errors import RequestValidationError
from holdfast.store import Store, policies, tenants
from holdfast.usecases.manage.scope import change, operator
from holdfast.usecases.vault import Vault

METHODS: Final = frozenset(("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"))
RULES: Final = 500
_PATH: Final = re.compile(r"/[!\"$&->@-\[\]-~]{0,499}")


class RuleData(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One rule. What is left out is any."""

    effect: Annotated[Effect, Meta(description="`block` goes before `allow`, whatever their order.")]
    service_id: Annotated[str | None, Meta(description="Only this service.")] = None
    methods: Annotated[list[str] | None, Meta(description="Only these methods.")] = None
    path: Annotated[
        str | None,
        Meta(description="Only this path at the service: `*` is one segment, `**` at the end any number of them."),
    ] = None


class PolicyData(msgspec.Struct, kw_only=True):
    """The rules of an application's proxy."""

    rules: Annotated[list[RuleData], Meta(description="All of them; an empty list lets everything through.")]


async def policy(vault: Vault, application_id: str) -> PolicyData:
    """The application's rules. EntityNotFoundError."""
    scope = operator(application_id)
    await tenants.application(scope, vault.store)
    return _data(await policies.policy(scope, vault.store))


async def replace_policy(vault: Vault, application_id: str, rules: Sequence[RuleData]) -> PolicyData:
    """Puts these rules in the place of those there are. EntityNotFoundError, RequestValidationError."""
    return await change_policy(vault, application_id, lambda _: rules)


async def change_policy(
    vault: Vault, application_id: str, edit: Callable[[list[RuleData]], Sequence[RuleData]]
) -> PolicyData:
    """Puts what `edit` makes of the rules in their place. EntityNotFoundError, RequestValidationError."""
    scope = operator(application_id)

    async def attempt(tx: Store) -> Policy:
        await tenants.application(scope, tx)
        before = await policies.policy(scope, tx)
        made = tuple(_rule(vault, rule) for rule in edit(_data(before).rules))
        if len(made) > RULES:
            raise RequestValidationError(f"A policy has at most {RULES} rules.")
        await policies.replace(scope, tx, Policy(made, before.version))
        return Policy(made)

    return _data(await change(vault, application_id, attempt))


def _rule(vault: Vault, given: RuleData) -> Rule:
    if given.service_id is not None and vault.catalog.find(given.service_id) is None:
        raise RequestValidationError("A rule names a service that is not in the catalogue.")
    methods = None if given.methods is None else frozenset(method.upper() for method in given.methods)
    if methods is not None and (not methods or not methods <= METHODS):
        raise RequestValidationError(f"The methods of a rule are some of {', '.join(sorted(METHODS))}.")
    if given.path is not None and (not _PATH.fullmatch(given.path) or REST in given.path.split("/")[:-1]):
        raise RequestValidationError("The path of a rule begins with /, without a query; ** stands at its end only.")
    return Rule(given.effect, given.service_id, methods, given.path)


def _data(found: Policy) -> PolicyData:
    return PolicyData(
        rules=[
            RuleData(
                effect=rule.effect,
                service_id=rule.service_id,
                methods=None if rule.methods is None else sorted(rule.methods),
                path=rule.path,
            )
            for rule in found.rules
        ]
    )

"""`holdfast rules`: what an application's proxy lets through."""

from __future__ import annotations

import click

from holdfast.cli.output import as_json, note, print_json, print_table
from holdfast.cli.vault import with_vault
from holdfast.domain.policy import Effect
from holdfast.errors import EntityNotFoundError
from holdfast.usecases import manage
from holdfast.usecases.manage import PolicyData, RuleData

application = click.argument("application_id", metavar="APPLICATION")
service = click.option("--service", "service_id", metavar="SERVICE", help="Only calls of this service.")
method = click.option("--method", "methods", multiple=True, metavar="METHOD", help="Only this method. Repeatable.")
path = click.option("--path", help="Only this path: * is one segment, ** at the end any number of them.")


@click.group()
def rules() -> None:
    """Rules: what an application may call through the proxy.

    \b
    holdfast rules block APPLICATION --service acme-crm --method DELETE
    holdfast rules allow APPLICATION --service acme-crm --path '/v1/leads/**'
    holdfast rules list APPLICATION

    A rule that blocks goes before every rule that allows. Where a rule allows something of a service, the rest of it
    is shut. A running server follows within a second.
    """


@rules.command("list")
@application
@as_json
def list_rules(application_id: str, as_json: bool) -> None:
    """List the rules of an application, by their numbers."""
    _print(with_vault(lambda vault: manage.policy(vault, application_id)), as_json)


@rules.command()
@application
@service
@method
@path
@as_json
def block(
    application_id: str, service_id: str | None, methods: tuple[str, ...], path: str | None, as_json: bool
) -> None:
    """Block calls; without an option, all of them."""
    _print(_add("block", application_id, service_id, methods, path), as_json)


@rules.command()
@application
@service
@method
@path
@as_json
def allow(
    application_id: str, service_id: str | None, methods: tuple[str, ...], path: str | None, as_json: bool
) -> None:
    """Allow calls, and shut out every other one of the same service."""
    _print(_add("allow", application_id, service_id, methods, path), as_json)


@rules.command()
@application
@click.argument("number", type=click.IntRange(min=1))
@as_json
def remove(application_id: str, number: int, as_json: bool) -> None:
    """Take away the rule of this number."""

    def edit(before: list[RuleData]) -> list[RuleData]:
        if number > len(before):
            raise EntityNotFoundError("rule", str(number))
        return before[: number - 1] + before[number:]

    _print(with_vault(lambda vault: manage.change_policy(vault, application_id, edit)), as_json)


def _add(
    effect: Effect, application_id: str, service_id: str | None, methods: tuple[str, ...], path: str | None
) -> PolicyData:
    rule = RuleData(effect=effect, service_id=service_id, methods=list(methods) or None, path=path)
    return with_vault(lambda vault: manage.change_policy(vault, application_id, lambda before: [*before, rule]))


def _print(found: PolicyData, as_json: bool) -> None:
    if as_json:
        print_json(found)
    elif not found.rules:
        note("No rules: every call passes.")
    else:
        rows = [
            (str(number), rule.effect, rule.service_id or "any", " ".join(rule.methods or ["any"]), rule.path or "any")
            for number, rule in enumerate(found.rules, 1)
        ]
        print_table(["", "effect", "service", "methods", "path"], rows)

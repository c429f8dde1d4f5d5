"""Reading one manifest: YAML, words, types, and where each mistake stands."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.catalog.problems import ManifestError, Problem
from holdfast.catalog.reading import read
from holdfast.catalog.source import SIZE_LIMIT
from holdfast.errors import SettingsError

ProblemsOf = Callable[..., tuple[Problem, ...]]


def test_a_right_manifest_becomes_a_connector(write: Callable[..., Path]) -> None:
    """What the manifest says is what the connector is, and what it does not say has its default."""
    connector = read(write(), "acme", shipped=True)

    assert connector.auth.oauth is not None
    assert connector.auth.oauth.token.response.capture == {"instance_url": "data.instance"}
    assert connector.auth.oauth.scopes.separator == " "
    assert [setting.id for setting in connector.at("integration")] == ["partner_id"]


def test_a_mistake_is_told_with_file_line_and_word(write: Callable[..., Path]) -> None:
    """The message can be clicked in a terminal, and says which word was meant."""
    file = write(("    token:\n", "    tokn:\n"))

    with pytest.raises(ManifestError) as raised:
        read(file, "acme")

    assert str(raised.value) == f"{file}:35: auth.oauth.tokn: unknown word; did you mean 'token'?"
    assert isinstance(raised.value, SettingsError)


def test_all_mistakes_of_a_file_are_told_at_once(problems_of: ProblemsOf) -> None:
    """Nobody has to repair a manifest one start at a time."""
    found = problems_of(
        ("name: Acme CRM", "name: 7"),
        ("    token:\n", "    tokn:\n"),
        ("rotation: strict", "rotation: strickt"),
        ("path: /check", "path: check"),
        ("{cred.access_token}", "{cred.token}"),
        ("$.plan.name", "'$.plan[name]'"),
    )

    assert [(p.line, p.word) for p in found] == [
        (3, "name"),
        (35, "auth.oauth.tokn"),
        (40, "auth.oauth.refresh.rotation"),
        (45, "request.auth.0.value"),
        (49, "after_connect.0.capture.plan"),
        (51, "verify.request.path"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "word", "message"),
    [
        ("name: Acme CRM", "name: 7", "name", 'expected a text, not 7; write "7"'),
        ("name: Acme CRM", "name: true", "name", 'expected a text, not true; write "true"'),
        ("name: Acme CRM", "name:", "name", "expected a text, not nothing"),
        ("name: Acme CRM\n", "", "name", "is required"),
        ("schema: 1", "schema: 2", "schema", "2 is not one of 1"),
        ("schema: 1", 'schema: "1"', "schema", "expected one of 1"),
        ("id: acme\n", "id: Acme\n", "id", "'Acme' does not have the form of an id"),
        ("  crm:", "  crm+x:", "unified_apis.crm+x", "'crm+x' does not have the form of an id"),
        ("type: oauth2", "type: oauth", "auth.type", "did you mean 'oauth2'?"),
        ("before_authorize: true", "before_authorize: yes", "settings.region.before_authorize", "expected true"),
        ("options: [eu, us]", "options: eu", "settings.region.options", "expected a list"),
        ("options: [eu, us]", "options: [eu, 1]", "settings.region.options.1", "expected a mapping or a text, not 1"),
        ("{rotation: strict,", "{grace: -1, rotation: strict,", "auth.oauth.refresh.grace", "goes with"),
        ("access_lifetime: 3600", "access_lifetime: 0", "auth.oauth.refresh.access_lifetime", "0 is out of range"),
        ("access_lifetime: 3600", "access_lifetime: 1h", "auth.oauth.refresh.access_lifetime", "expected a whole"),
        ("client: {auth: basic}", "client: basic", "auth.oauth.client", "expected a mapping"),
        ("{id: partner_id,", "{id: partner id,", "settings.partner id.id", "does not have the form of a setting"),
        ("on: 2026-01-31", "on: last year", "verified.on", "does not have the form of a date"),
        ("https://acme.example.com/", "acme.example.com", "website", "does not have the form of an address"),
        ("label: Region,", f"label: Region, description: {'x' * 2001},", "settings.region.description", "is longer"),
    ],
)  # fmt: skip
def test_a_value_of_the_wrong_type_is_a_mistake(
    problems_of: ProblemsOf, old: str, new: str, word: str, message: str
) -> None:
    """The message names the word and what belongs there."""
    found = {problem.word: problem.message for problem in problems_of((old, new))}

    assert message in found[word]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("schema: 1\nid: [acme\n", 3, "did not find expected"),
        ("schema: 1\n\tid: acme\n", 2, ""),
        ("schema: 1\nid: acme\nid: other\n", 3, "'id' stands here a second time"),
        ("schema: 1\nsettings:\n  - {id: a, id: b}\n", 3, "'id' stands here a second time"),
        ("schema: 1\n? [a, b]\n: c\n", 2, "a key is a text"),
        ("schema: 1\nname: !!python/name:os.system x\n", 2, "could not determine a constructor"),
        ("schema: 1\nself: &self {self: *self}\n", 2, "recursive"),
        ("- schema: 1\n", 1, "a manifest is a mapping of words"),
        ("", 1, "a manifest is a mapping of words"),
        ("name: " + "x" * SIZE_LIMIT, 1, "the file is larger than"),
    ],
)
def test_a_text_that_is_no_manifest_says_so(problems_of: ProblemsOf, text: str, line: int, message: str) -> None:
    """Whatever stands in the file, the answer is a line and a sentence, never a traceback."""
    found = problems_of(text=text)

    assert found[0].line == line
    assert any(message in problem.message for problem in found)


def test_bytes_that_are_no_text_say_so(write: Callable[..., Path]) -> None:
    """A file in another encoding, or no text at all, is a mistake of that file."""
    file = write()
    file.write_bytes(b"name: \xff\xfe\n")

    with pytest.raises(ManifestError, match=f"^{re.escape(str(file))}:1: cannot be read"):
        read(file, "acme")


def test_yaml_reads_as_people_write_it(write: Callable[..., Path]) -> None:
    """Norway is a text, a date is a text, and the word `on` is a word, unlike in YAML 1.1."""
    connector = read(write(("options: [eu, us]", "options: [eu, no, 0123, 12:30]")), "acme")

    region = connector.setting("region")
    assert region is not None
    assert [choice.value for choice in region.choices] == ["eu", "no", "0123", "12:30"]
    assert connector.verified.on == "2026-01-31"


def test_the_folder_has_the_name_of_the_service(problems_of: ProblemsOf) -> None:
    """A connector is found by its folder, so both names are one."""
    found = problems_of(folder="acme-crm")

    assert [(p.line, p.word) for p in found] == [(2, "id")]
    assert "give both the same name" in found[0].message

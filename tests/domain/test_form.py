"""The connection's form: what is kept, what is cleared, what a mask stands for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from small_connectors import connector

from holdfast.domain.connection import Connection
from holdfast.domain.credential import Sealed, Secret
from holdfast.domain.form import check_urls, merge, take, texts
from holdfast.domain.mac import Mac
from holdfast.domain.manifest.connector import Connector
from holdfast.domain.masking import Masks, mask
from holdfast.errors import ConnectionSettingsError, RequestValidationError

MASKS = Masks(Mac(b"k" * 32))


def basic() -> Connector:
    settings = [
        {"id": "subdomain", "label": "Subdomain", "required": True, "pattern": "[a-z0-9-]+"},
        {"id": "api_key", "label": "API key", "type": "password", "required": True},
        {"id": "region", "label": "Region", "type": "select", "options": ["eu", "us"], "default": "eu"},
        {"id": "memo", "label": "Memo", "type": "textarea"},
        {"id": "lists", "label": "Lists", "type": "multi-select"},
        {"id": "colours", "label": "Colours", "type": "multi-select", "options": ["red", "blue"]},
        {"id": "realm_id", "label": "Company", "hidden": True, "filled_by": "callback"},
    ]
    return connector("basic", settings=settings, request={"base_url": "https://{subdomain}.acme.example/api"})


def sealed(value: str, id: str = "c1") -> Sealed:
    """What is kept of an API key of the connection `id`."""
    return MASKS.digest(id, "api_key", Secret(value))


def connection(settings: Mapping[str, Any], *, api_key: str | None = None) -> Connection:
    return Connection(
        "c1", "user-1", "crm", "basic", settings=settings, secrets={"api_key": sealed(api_key)} if api_key else {}
    )


def merged(settings: Mapping[str, Any], sent: Mapping[str, Any]) -> Mapping[str, Any]:
    """The settings after a form without a secret was sent."""
    return merge(basic(), connection(settings), sent, MASKS).settings


def test_a_mask_that_comes_back_keeps_the_secret() -> None:
    """A form that is sent back as it was shown changes nothing."""
    stored = connection({"subdomain": "acme"}, api_key="sk_live_1")

    assert stored == merge(basic(), stored, {"subdomain": "acme", "api_key": mask(sealed("sk_live_1"))}, MASKS)


def test_a_secret_that_is_sent_again_changes_nothing() -> None:
    """It is recognised by what is kept of it, and the sealed one stays."""
    stored = connection({}, api_key="sk_live_1")

    assert stored == merge(basic(), stored, {"api_key": "sk_live_1"}, MASKS)


def test_a_new_secret_stands_apart_from_the_settings() -> None:
    """It takes the place of the sealed one and is nowhere to be read."""
    after = merge(basic(), connection({}, api_key="sk_live_1"), {"api_key": "sk_live_2"}, MASKS)

    assert (after.settings, after.secrets) == ({}, {"api_key": Secret("sk_live_2")})


def test_a_secret_of_an_older_manifest_moves_to_the_secrets() -> None:
    """A field that became sensitive is not left among the settings that answers show."""
    after = merge(basic(), connection({"api_key": "sk_live_1"}), {"api_key": "sk_live_1"}, MASKS)

    assert (after.settings, after.secrets) == ({}, {"api_key": Secret("sk_live_1")})


@pytest.mark.parametrize("sent", ["__vault_masked__:", "__vault_masked__:00000000", mask(sealed("another")) + "x"])
def test_an_edited_mask_is_refused(sent: str) -> None:
    """A mask that is not the stored secret's is never stored as if it were a secret."""
    with pytest.raises(ConnectionSettingsError):
        merge(basic(), connection({}, api_key="sk_live_1"), {"api_key": sent}, MASKS)


def test_a_mask_of_another_connection_is_refused() -> None:
    """The same secret has another mask on another connection."""
    elsewhere = mask(sealed("sk_live_1", id="c2"))

    with pytest.raises(ConnectionSettingsError):
        merge(basic(), connection({}, api_key="sk_live_1"), {"api_key": elsewhere}, MASKS)


@pytest.mark.parametrize(
    ("id", "sent", "kept"),
    [
        ("api_key", " k-123 ", "k-123"),
        ("api_key", "\u200bk-123\r\n", "k-123"),
        ("api_key", " open sesame ", " open sesame "),
        ("subdomain", "acme\u00a0", "acme"),
        ("region", " eu ", "eu"),
        ("memo", " two\nlines \n", " two\nlines \n"),
        ("api_key", "  ", None),
        ("unknown", " x ", " x "),
    ],
)
def test_what_pasting_brought_along_is_no_part_of_a_value(id: str, sent: str, kept: str | None) -> None:
    """White space at the ends goes, by the form and by an import; not where it may be meant."""
    for after in (merge(basic(), connection({}), {id: sent}, MASKS), take(basic(), connection({}), {id: sent}, MASKS)):
        assert {**after.settings, **after.secrets}.get(id) == (Secret(kept) if kept and id == "api_key" else kept)


def test_a_mask_may_be_pasted_too() -> None:
    """A mask with a space behind it is still that mask."""
    stored = connection({}, api_key="k")

    assert merge(basic(), stored, {"api_key": f"{mask(sealed('k'))} "}, MASKS) == stored


@pytest.mark.parametrize("empty", [None, ""])
def test_an_empty_value_clears(empty: str | None) -> None:
    """Null and the empty string take a value away; what is not sent stays."""
    after = merge(basic(), connection({"subdomain": "acme"}, api_key="x"), {"api_key": empty}, MASKS)

    assert (after.settings, after.secrets) == ({"subdomain": "acme"}, {})


def test_unknown_settings_are_kept() -> None:
    """An id that is no form field is kept as it is."""
    assert merged({}, {"note": {"a": [1]}}) == {"note": {"a": [1]}}


def test_a_form_does_not_decide_what_the_provider_filled() -> None:
    """A field that the callback fills keeps its value, whatever the form sends back; an import may give it."""
    stored = {"realm_id": "9130"}

    assert merged(stored, {"realm_id": "1"}) == stored
    assert take(basic(), connection(stored), {"realm_id": "1"}, MASKS).settings == {"realm_id": "1"}


@pytest.mark.parametrize(
    "sent",
    [
        {"subdomain": "Not Fitting"},
        {"subdomain": ["a"]},
        {"subdomain": {"a": 1}},
        {"region": "mars"},
        {"lists": "a"},
        {"lists": [1]},
        {"lists": ["a\x00"]},
        {"colours": ["red", "ultraviolet"]},
        {"api_key": "a\r\nb"},
        {"api_key": "a\x00"},
    ],
)
def test_a_value_that_does_not_fit_its_field_is_refused(sent: dict[str, object]) -> None:
    """A value is checked against its field's type, pattern and options."""
    with pytest.raises(ConnectionSettingsError):
        merged({}, sent)


def test_a_connection_holds_a_bounded_number_of_settings() -> None:
    """A caller cannot fill a row with settings."""
    with pytest.raises(RequestValidationError):
        merged({}, {f"k{n}": "v" for n in range(101)})


def test_defaults_stand_in_for_what_is_not_set() -> None:
    """Templates read a setting's default where the connection has no value."""
    assert texts(basic(), {"subdomain": "acme", "lists": ["a", "b"]}) == {
        "region": "eu",
        "subdomain": "acme",
        "lists": "a,b",
    }


def test_settings_are_checked_against_the_hosts_when_they_are_written() -> None:
    """A subdomain that leads elsewhere is refused before anything is called; one that is missing is not an error."""
    check_urls(basic(), connection({}), ["*.acme.example"])
    check_urls(basic(), connection({"subdomain": "eu1"}), ["*.acme.example"])

    with pytest.raises(ConnectionSettingsError):
        check_urls(basic(), connection({"subdomain": "evil.com/"}), ["*.acme.example"])


def test_a_host_is_checked_though_its_path_is_not_complete_yet() -> None:
    """A form that is filled in step by step does not keep a host that the next step would refuse."""
    settings = [{"id": "api_host", "label": "Host"}, {"id": "company", "label": "Company", "required": True}]
    word = connector("basic", settings=settings, request={"base_url": "https://{api_host}/api/{company}"})
    for host in ("evil.com/", "evil.com"):
        changed = Connection("c1", "user-1", "crm", "hosted", settings={"api_host": host})
        with pytest.raises(ConnectionSettingsError):
            check_urls(word, changed, ["api.acme.example"])
    check_urls(word, Connection("c1", "user-1", "crm", "hosted", settings={"company": "x"}), ["api.acme.example"])


@pytest.mark.parametrize("company", [".", ".."])
def test_a_setting_that_is_a_dot_segment_is_refused(company: str) -> None:
    """Also in the path of a request that stands beside the base URL."""
    settings = [{"id": "company", "label": "Company", "required": True}]
    base = {"base_url": "https://api.acme.example"}
    verify = {"request": {"path": "/companies/{company}/me"}}
    word = connector("basic", settings=settings, request=base, verify=verify)
    changed = Connection("c1", "user-1", "crm", "dotted", settings={"company": company})
    with pytest.raises(ConnectionSettingsError):
        check_urls(word, changed, ["api.acme.example"])

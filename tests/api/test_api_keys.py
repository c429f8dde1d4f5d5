"""API keys as they are kept: what they may, where they may act, and what remains when they are taken away."""

from __future__ import annotations

import pytest

from holdfast.domain.tenancy import Bounds
from holdfast.errors import EntityNotFoundError, IntegrityError
from holdfast.store import tenants
from holdfast.testing.harness import RETURN_TO, SERVICE, Deployment
from holdfast.usecases import api_keys, manage

PATH = f"/vault/connections/crm/{SERVICE}"
NOBODY: frozenset[str] = frozenset()


@pytest.mark.parametrize(
    "bounds",
    [
        Bounds(),
        Bounds(consumers=frozenset({"user-1", "user-2"})),
        Bounds(consumers=NOBODY),
        Bounds(services=NOBODY),
        Bounds(connections=frozenset()),
        Bounds(services=frozenset({"crm+sandbox-crm"}), connections=frozenset({("user-1", "crm", "sandbox-crm")})),
    ],
    ids=["everywhere", "two consumers", "no consumer", "no service", "no connection", "one connection"],
)
async def test_bounds_are_kept_as_they_were_given(vault: Deployment, bounds: Bounds) -> None:
    """Above all, a bound that lets nothing through does not come back as no bound."""
    scope = manage.operator(vault.application_id)
    key, text = await api_keys.issue(scope, vault.vault, vault.vault.store, bounds=bounds)

    found = await api_keys.identify(vault.vault, text)

    assert found == key
    assert found.bounds == bounds
    assert key in await tenants.keys(scope, vault.vault.store)


async def test_without_its_last_key_an_application_lets_nobody_in(vault: Deployment) -> None:
    """No key is not every key: each call is refused, whatever it presents."""
    listed = await vault.manage("GET", f"/applications/{vault.application_id}/api-keys")
    for key in listed.data:
        await vault.manage("DELETE", f"/applications/{vault.application_id}/api-keys/{key['id']}")

    presented = (f"Bearer {vault.api_key}", "Bearer ", "Bearer null", "", "Bearer 0", None)
    replies = [await vault.get(PATH, headers={"authorization": text}) for text in presented]

    assert [reply.status for reply in replies] == [401] * len(presented)
    assert (await vault.manage("GET", f"/applications/{vault.application_id}/api-keys")).data == []


async def test_the_text_of_a_key_signs_what_is_delivered_to_its_holder(vault: Deployment) -> None:
    """It is kept sealed, opens for its own application alone, and prints as nothing."""
    scope, store = manage.operator(vault.application_id), vault.vault.store
    key, text = await api_keys.issue(scope, vault.vault, store)
    other, _ = await manage.create_application(vault.vault, "Other", (RETURN_TO,))

    secret = await tenants.signing_secret(scope, store, key.id)

    assert secret.reveal() == text
    assert text not in repr(secret)
    for asked, id in ((manage.operator(other.id), key.id), (scope, "0" * 32)):
        with pytest.raises(EntityNotFoundError):
            await tenants.signing_secret(asked, store, id)


async def test_the_text_of_one_key_is_not_taken_for_another_s(vault: Deployment) -> None:
    """A sealed text that was copied to another key's row does not open."""
    scope, store = manage.operator(vault.application_id), vault.vault.store
    key, _ = await api_keys.issue(scope, vault.vault, store)
    copied = "UPDATE api_keys SET sealed = (SELECT sealed FROM api_keys WHERE id = :id)"
    await store.q.run(copied, id=key.id)
    first = next(other for other in await tenants.keys(scope, store) if other.id != key.id)

    with pytest.raises(IntegrityError):
        await tenants.signing_secret(scope, store, first.id)


async def test_no_row_holds_the_text_of_a_key(vault: Deployment) -> None:
    """What is stored of a key opens nothing without the master key."""
    rows = await vault.vault.store.q.all("SELECT * FROM api_keys")

    assert len(rows) == 1
    for value in rows[0].values():
        stored = value if isinstance(value, bytes) else str(value).encode()
        assert vault.api_key.encode() not in stored

"""What a product's page is told when a step of the browser failed: words for a person."""

from __future__ import annotations

from holdfast.testing.harness import RETURN_TO, SERVICE, Deployment


async def test_an_error_in_a_redirect_is_a_sentence(vault: Deployment) -> None:
    """Where the API answers with an object, the redirect carries what the kind of error means."""
    url = await vault.authorize_url()
    await vault.manage("DELETE", f"/applications/{vault.application_id}/integrations/crm/{SERVICE}")
    vault.clock.advance(2)

    reply = await vault.open(url)

    assert reply.location.startswith(f"{RETURN_TO}?error_type=IntegrationNotFoundError&")
    assert reply.parameters["error_message"] == "The application has not set up this integration."

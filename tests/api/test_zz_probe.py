import pytest
from holdfast.testing.harness import Deployment

@pytest.mark.parametrize("n", range(10))
async def test_x(vault: Deployment, n: int) -> None:
    """x."""
    await vault.connect()
    assert (await vault.connection())["state"] == "callable"

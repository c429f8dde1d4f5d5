"""`python -m holdfast.testing.provider`: the sandbox alone, for people who write connectors."""

from __future__ import annotations

import asyncio
import contextlib
import signal

import click

from holdfast.testing.connectors import sandbox_manifest
from holdfast.testing.provider.clients import RegisteredClient
from holdfast.testing.provider.crm import SCOPES
from holdfast.testing.provider.received import Received
from holdfast.testing.provider.sandbox import CLIENT, SandboxProvider
from holdfast.testing.provider.shape import Authorization, Lifetimes, Shape, TokenAnswer, TokenRequest

HOW_TO = """\
Sandbox provider at {url}

  client id        {client_id}
  client secret    {client_secret}
  redirect URI     {redirect_uris}

  authorize        {url}/oauth/authorize
  token            {url}/oauth/token
  revoke           {url}/oauth/revoke
  metadata         {url}/.well-known/oauth-authorization-server
  API              {url}/api/v1/users/me  leads  leadFields  pipelines  users

Connect it to a vault on this machine:

  mkdir -p connectors/sandbox-crm
  python -m holdfast.testing.provider --port {port} --manifest > connectors/sandbox-crm/connector.yaml
  HOLDFAST_CONNECTORS_DIR=connectors HOLDFAST_EGRESS_ALLOW={allow} holdfast serve

The vault shows the redirect URI of the integration. If it is not the one above, start the sandbox again with
--redirect-uri.

Requests, as they come (Ctrl-C ends):
"""


@click.command(context_settings={"max_content_width": 100, "show_default": True})
@click.option("--host", default="127.0.0.1", help="Address to listen on.")
@click.option("--port", default=9000, help="Port to listen on; 0 takes a free one.")
@click.option("--client-id", default=CLIENT.client_id, help="The id of the one registered client.")
@click.option("--client-secret", default=CLIENT.client_secret, help="Its secret.")
@click.option(
    "--redirect-uri",
    "redirect_uris",
    multiple=True,
    default=CLIENT.redirect_uris,
    help="Where consent may lead back to, compared exactly. May be given more than once.",
)
@click.option(
    "--client-auth",
    type=click.Choice(["basic", "body", "query", "none"]),
    default="basic",
    help="How the client must authenticate at the token endpoint (RFC 6749 section 2.3.1).",
)
@click.option(
    "--pkce",
    type=click.Choice(["required", "optional", "off"]),
    default="required",
    help="off: code_challenge is ignored, as by a provider that does not know RFC 7636.",
)
@click.option("--access-lifetime", default=3600, help="Seconds until an access token expires.")
@click.option("--no-expires-in", is_flag=True, help="Do not say how long an access token lives.")
@click.option(
    "--rotation",
    type=click.Choice(["none", "grace", "strict", "family"]),
    default="family",
    help="What becomes of a used refresh token: none keeps it valid, strict accepts it once, grace accepts it again "
    "for --grace seconds, family ends the whole grant when it comes twice.",
)
@click.option("--grace", default=30, help="Seconds, with --rotation grace.")
@click.option("--manifest", is_flag=True, help="Print a connector.yaml for this sandbox and exit.")
def main(
    host: str,
    port: int,
    client_id: str,
    client_secret: str,
    redirect_uris: tuple[str, ...],
    client_auth: str,
    pkce: str,
    access_lifetime: int,
    no_expires_in: bool,
    rotation: str,
    grace: int,
    manifest: bool,
) -> None:
    """Run a sandbox OAuth 2.0 provider with a small CRM API, to write and try connectors against.

    It has a consent page with three made-up people, PKCE, refresh token rotation, revocation and an API that
    answers 401 when a token is no longer good. It forgets everything when it ends. Not for production: the
    client's secret stands on the screen.

    \b
    Try it:
      python -m holdfast.testing.provider --access-lifetime 30 --rotation strict
      curl -u sandbox-client:sandbox-secret -d grant_type=client_credentials http://127.0.0.1:9000/oauth/token
    """
    if manifest:
        click.echo(_manifest(f"http://{host}:{port}", client_auth, pkce, rotation, grace), nl=False)
        return
    shape = Shape(
        scopes=SCOPES,
        authorization=Authorization(pkce=pkce),  # type: ignore[arg-type]  # click.Choice has checked the words
        token=TokenRequest(client_auth=client_auth),  # type: ignore[arg-type]
        answer=TokenAnswer(expires=None) if no_expires_in else TokenAnswer(),
        lifetimes=Lifetimes(access=access_lifetime, rotation=rotation, grace=grace),  # type: ignore[arg-type]
    )
    client = RegisteredClient(client_id, client_secret, redirect_uris, CLIENT.name)
    provider = SandboxProvider(shape=shape, clients=[client], on_answer=_tell)
    asyncio.run(_run(provider, client, host, port))


async def _run(provider: SandboxProvider, client: RegisteredClient, host: str, port: int) -> None:
    interrupted = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows' event loop takes no handlers
            asyncio.get_running_loop().add_signal_handler(name, interrupted.set)
    async with provider.serve(host, port):
        address = provider.url.removeprefix("http://")
        click.echo(
            HOW_TO.format(
                url=provider.url,
                client_id=client.client_id,
                client_secret=client.client_secret,
                redirect_uris="\n                   ".join(client.redirect_uris),
                port=address.rpartition(":")[2],
                allow=address,
            )
        )
        await interrupted.wait()


def _manifest(url: str, client_auth: str, pkce: str, rotation: str, grace: int) -> str:
    """The manifest of a sandbox that was started with these options."""
    text = sandbox_manifest(url)
    told = {
        "client: {auth: basic}": f"client: {{auth: {client_auth}}}",
        "pkce: required": f"pkce: {pkce}",
        "rotation: family": f"rotation: {rotation}" + (f", grace: {grace}" if rotation == "grace" else ""),
    }
    for default, chosen in told.items():
        text = text.replace(default, chosen)
    return text


def _tell(request: Received, status: int) -> None:
    """One line for each request, without its query: that holds codes."""
    click.echo(f"  {status}  {request.method:6} {request.path}  {request.endpoint.partition(':')[2]}")


if __name__ == "__main__":
    main()

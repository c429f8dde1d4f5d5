"""What the operator's words mean, once for every struct that has them: `/openapi.json` and `/docs` show it."""

from __future__ import annotations

from msgspec import Meta

APPLICATION_ID = Meta(description="The application's id.")
NAME = Meta(description="The product's name.")
REDIRECT_URIS = Meta(
    description="Where browsers may return to after an authorization, compared as text; the first is the default."
)
CONFIRMATION = Meta(
    description="Whether the product confirms who came back: `auto` wherever a link has a nonce, `always` on every "
    "page, `off` nowhere."
)
CREATED_AT = Meta(description="Milliseconds since the epoch.")
FIRST_KEY = Meta(description="Its first API key; shown here once.")

KEY_ID = Meta(description="The key's id.")
KEY_SCOPES = Meta(description="What the key may do: `connections`, `sessions`, `proxy`, `credentials:read`.")
KEY_BOUNDS = Meta(
    description="Where the key reaches; everywhere unless given. Taking entries away, the last too, never widens it."
)
LAST_FOUR = Meta(description="How the key ends.")
KEY_TEXT = Meta(description="The key itself, in the answer that makes it and nowhere else.")
BOUND_CONSUMERS = Meta(description="Ids of the consumers that it reaches; all of them unless given.")
BOUND_SERVICES = Meta(description="The services that it reaches, such as `crm+acme-crm`; all of them unless given.")
BOUND_CONNECTIONS = Meta(description="The connections that it reaches; all of them unless given.")
CONSUMER_ID = Meta(description="The consumer's id.")

CONNECTIONS = Meta(description="How many connections go.")
GRANTS = Meta(description="How many of them have a grant that is ended at the service.")

UNIFIED_API = Meta(description="The unified API, such as `crm`.")
SERVICE_ID = Meta(description="The connector's id.")
ENABLED = Meta(description="Whether the integration is offered to consumers.")
CLIENT_ID = Meta(description="The application's OAuth client at the provider.")
CLIENT_SECRET = Meta(description="Its secret, which leaves the vault only for the provider.")
HAS_CLIENT_SECRET = Meta(description="Whether its secret is set.")
SCOPES = Meta(description="OAuth scopes to ask the consumer for; null asks for the connector's own.")
SETTINGS = Meta(description="Values of the connector's settings that the application fills in; null clears one.")
SETTINGS_SET = Meta(description="Settings of the connector that are filled in.")
CLIENT_REFUSED = Meta(
    description="There while the provider refuses the OAuth client of every connection that is refreshed: correct the "
    "client. Where consumers bring their own clients, the one that was refused last."
)
REFUSED_SINCE = Meta(description="Since when, in milliseconds since the epoch.")
REFUSED_CODE = Meta(description="The provider's error code, where it gave one.")
REDIRECT_URI = Meta(description="What to register at the provider as the client's redirect URI.")

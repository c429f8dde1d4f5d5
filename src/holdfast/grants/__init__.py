"""How a credential is obtained, refreshed, used and ended: RFC 6749, 7636 (PKCE), 7009 (revocation), 9207 (`iss`).

Every flow is a generator: it yields a `Request`, receives a `Response` and returns what it found. No socket, no
clock, no storage; `drive` is the only place that performs the requests, and a test can do it by hand.

- `flow`      what a flow is given (`Setup`) and how it is driven
- `authorize` the authorization URL, PKCE, what a callback brings
- `token`     the token endpoint: code, client credentials, password, refresh
- `answer`    what a token endpoint's answer means; rejected, misconfigured or deferred
- `revoke`    ending a grant at the provider
- `call`      requests to the service itself: where the credential stands, verification, custom fields, options

To add a grant: a generator in `token`, its line in `GRANTS`, its word in `holdfast.domain.manifest.connector`.
"""

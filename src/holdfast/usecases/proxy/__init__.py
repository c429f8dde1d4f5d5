"""The proxy: a caller's own request goes to a service with a connection's credential on it, and the answer comes back.

- `find`   which connection is meant
- `pacing` a service that has been asked too much
- `call`   one proxied call: the gate, the request, one replay with a new token, what it showed of the service

What the request looks like is `grants.forward`'s, what may pass in either direction `domain.passing`'s, and what the
service repeats of the credential is taken out by `grants.echo`. Bodies are never held here, but for a small one that
may have to be sent again. Knows nothing of HTTP servers; `http.proxy` brings the bytes.
"""

"""The HTTP API, page by page as `docs/reference/api.md` has it.

- `operations`  an operation declared once: its route, its parameters, its entry in `/openapi.json`
- `routes`      which declared route a path is
- `callers`     who is asking, for whom: an API key and headers become a `Scope`
- `body`        a JSON body, read strictly
- `wire`        what answers and bodies look like: the API's field names, in both directions
- `teller`      tells a connection: its links, and its JSON from what was encoded before
- `errors`      the one table from errors to statuses, and the envelope
- `connections`, `credentials`, `browser`, `actions`, `manage`, `pages`   the handlers, one file for each resource
- `token_exchange`, `token_request`   a credential by RFC 8693, whose requests and answers are OAuth's, not the API's
- `describe`    `/openapi.json` and `/docs`, from the declarations and the structs
- `app`         the ASGI application: routes, CORS, request ids, limits

A handler holds no decision: it reads, calls one use case, and spells the answer. A new endpoint is a handler
with its declaration in the file of its resource.
"""

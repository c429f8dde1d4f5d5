"""The HTTP API, page by page as `docs/reference/api.md` has it.

- `operations`  an operation declared once: its route, its parameters, its entry in `/openapi.json`
- `routes`      which declared route a path is
- `callers`     who is asking, for whom: an API key and headers become a `Scope`
- `body`        a JSON body, read strictly
- `wire`        the only file with the API's field names, in both directions
- `errors`      the one table from errors to statuses, and the envelope
- `connections`, `oauth`, `manage`, `pages`   the handlers, one file for each resource
- `openapi`, `schemas`, `members`   `/openapi.json` from the declarations: operations, structs, what members mean
- `reference`   `/docs` from that
- `app`         the ASGI application: routes, CORS, request ids, limits

A handler holds no decision: it reads, calls one use case, and spells the answer. A new endpoint is a handler
with its declaration in the file of its resource.
"""

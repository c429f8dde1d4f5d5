"""What the API says of itself, from the declarations that also route requests.

- `openapi`, `schemas`   `/openapi.json`: operations, and the structs that they read and answer with
- `reference`            `/docs` from that, a page that loads nothing from other hosts
"""

"""What the API says of itself, from the declarations that also route requests.

- `openapi`, `schemas`, `members`   `/openapi.json`: operations, structs, what members mean
- `reference`                       `/docs` from that, a page that loads nothing from other hosts
"""

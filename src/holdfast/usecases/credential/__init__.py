"""The way of a credential: obtained, kept, refreshed, used.

- `use`      the gate: whoever uses a credential comes through it
- `setup`    what a grant needs to know of a subject
- `redeem`   from a code to a connection
- `refresh`  a token that is about to expire
- `lease`    the right to do so, held while the provider is asked
- `keep`     what a provider granted, stored
"""

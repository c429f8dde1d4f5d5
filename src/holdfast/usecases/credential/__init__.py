"""The way of a credential: obtained, kept, refreshed, used.

- `use`        the gate: whoever uses a credential, of whatever kind, comes through it
- `setup`      what a grant needs to know of a subject
- `obtain`     asking the provider, then keeping what it grants; an `Outcome` that each waiter judges
- `refresh`    a token that is about to expire; `lease`: the right to do so, held while the provider is asked
- `exchange`   stored credentials for a token; `redeem`: a code for one
- `keep`       what a provider granted, stored
- `complete`   what a connector's own calls fill in afterwards

To add a use of credentials: a `Purpose` in `use`, and `call` or `use` with it.
"""

"""Holdfast: a connection vault.

A **caller** (`http`) uses a **use case** (`usecases`) on a **connection** of a **connector** (`domain`,
`catalog`), by a **grant** (`grants`), kept in a **store** (`store`). Imports go down one staircase:

    cli > wiring > http | worker > usecases > store | outbound | grants | catalog > domain > config | clock | errors

*Reading a connection.* A request enters `http.operations`, which knows only which operation it is.
`http.callers` answers who is asking, for whom: a `Scope`. The handler in `http.connections` asks a use case for
the subject, `http.teller` adds its links, and `http.wire` spells it, asking `domain.connection` what its facts mean.

*Connecting an account.* The browser reaches `http.browser`; `usecases.authorize` stores a single-use flow and asks
`grants.authorize` for the URL. When the provider sends the browser back, the flow is spent, `grants.token` yields
the request that redeems the code, `outbound` performs it, and the sealed token, the facts and the events are
saved in one transaction.

*Using it.* Whoever needs a token comes to `usecases.credential.use`, which refreshes it first if it is about to expire.
"""

from __future__ import annotations

__version__ = "0.1.0"

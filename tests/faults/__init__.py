"""Real vaults, each a process of its own, that are killed, stopped, misled and cut off while they refresh a token.

The provider stands outside: it keeps what was presented to it, and when a family of tokens ended. So it is known
whether a token was spent twice, or a grant lost, whatever the vault says of itself.

- `provider`      a sandbox that remembers every presentation
- `node`          one `holdfast serve`, or one with a wrong clock or shorter terms
- `site`          a database, its nodes, the provider's four ways to rotate, and customers that are connected
- `story`         from the fault to a connection that works on, or says that it does not: the verdict on one case
- `kills` `pauses` `answers` `crowds` `outages`   the cases
- `run`           all of them, and the table: `make faults`, or `python -m tests.faults.run --only kill`

A connection must end as *recovered* (it works on) or *flagged* (its health, an event and the log said so within a
minute), never *silent*. A token request is *extra* if it presents a token again that has been answered for, or that may
have been while the access token was still good.
"""

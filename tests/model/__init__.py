"""The protocol by which a refresh token is spent, as a model small enough to search whole.

One connection, nodes that want it fresh, a provider that rotates refresh tokens, a database, people who come back or
leave, and a budget of faults. `search` visits every state that can be reached, nearest first, so the first promise
that it finds broken is broken by the shortest story. `make faults` prints the table; `python -m tests.model.run
--trace NAME` tells the story of one line.

- `states`              what there is: values, and nothing that decides
- `guards`              the protocol, as the list of what protects it; the world it is put into
- `decisions`           what the statements on the row ask and write
- `flight`              the steps of a refresh, in their order
- `provider`            what becomes of a token that is presented
- `people`              consents given anew, deletions, callers, and what we owe to be revoked
- `surroundings`        faults, and time
- `search`              every state, once; what must hold at rest; that it ends
- `holding` `breaking`  the table: which protocol in which world, and what must be found there (`lines`, `table`)

Six promises:

- S1  no token is presented twice without need
- S2  nothing newer is overwritten or ended by us
- S3  what was granted is stored, spooled or told as lost
- S4  callers hear what is true
- S5  it ends
- S6  no family is ended by us that could have lived

What is assumed: a commit is atomic, though its acknowledgement may be lost; a request may come late, or act when
nobody listens. In a *timely* world nobody who lives and is about to send, and no node that will come back with an
answer, takes longer than lease and patience. What is bounded: one flight on each node, nine attempts, one connection.

A fault that is found in the product belongs here first: a line, a search that finds it, then the guard.
"""

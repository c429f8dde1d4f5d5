"""The only door to the network: nothing else in Holdfast opens a connection to another machine.

Two verbs (`holdfast.domain.door`): `send` gives a whole answer, `open` one that is still on its way, with a body that
may stream in either direction. Owns where a call may go and what it may cost; RFC 9110 and 9112 by way of aiohttp,
RFC 6890 for the addresses. For operators: docs/reference/egress.md.

- `door`      `Outbound`: both verbs, and the connections that they share
- `exchange`  one call: its limits, its one try, what became of it; `upload` is its body on the way out
- `deadline`  when a wait ends, of a process that may be stopped meanwhile
- `faults`    what a broken exchange is called
- `policy`    which URLs, names and addresses may be called, with the ranges in `addresses`
- `resolver`  that the address which was checked is the one that is called
- `tls`       which servers are genuine, and the certificate for those that ask for ours

Does not know OAuth, connectors or tenants: a request brings its credential and the hosts that may see it, and no
answer is `NoAnswer`, whatever it was asked for.

To close another range: a line in `addresses` and in the page. To give another fault its own words: a line in
`faults.FAULTS`.
"""

from holdfast.outbound.door import Outbound
from holdfast.outbound.policy import Destination, EgressPolicy

__all__ = ["Destination", "EgressPolicy", "Outbound"]

"""The only door to the network: nothing else in Holdfast opens a connection to another machine.

Owns where a call may go and what it may cost: which URLs, names and addresses (`policy`, with the ranges in
`addresses`), that the address which was checked is the one that is called, that an answer ends in time and fits
in memory, and what a broken exchange is called (`door`). RFC 9110 and 9112 by way of aiohttp; RFC 6890 for the
addresses. For operators: docs/reference/egress.md.

Does not know OAuth, connectors or tenants: a request brings its credential and the hosts that may see it.

To close another range: a line in `addresses` and in the page. To give another fault its own words: a line in
`door.FAULTS`.
"""

from holdfast.outbound.door import Outbound
from holdfast.outbound.policy import Destination, EgressPolicy

__all__ = ["Destination", "EgressPolicy", "Outbound"]

"""Which addresses are public. RFC 6890, with the IANA special-purpose registries as of October 2024.

A table of our own, because `ipaddress.is_global` answers another question: it is true for multicast, for
6to4 and for NAT64 addresses that lead into a private network, and it changed between releases of Python.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address

SPECIAL_V4 = {
    "0.0.0.0/8": "this network (RFC 791); Linux connects 0.0.0.0 to itself",
    "10.0.0.0/8": "private use (RFC 1918)",
    "100.64.0.0/10": "shared by carriers (RFC 6598); metadata of Alibaba Cloud",
    "127.0.0.0/8": "loopback (RFC 1122)",
    "168.63.129.16/32": "platform services of Azure, a public number that only its machines reach",
    "169.254.0.0/16": "link local (RFC 3927); metadata of most clouds",
    "172.16.0.0/12": "private use (RFC 1918)",
    "192.0.0.0/24": "protocol assignments (RFC 6890); metadata of Oracle Cloud",
    "192.0.2.0/24": "documentation (RFC 5737)",
    "192.31.196.0/24": "AS112 (RFC 7535)",
    "192.52.193.0/24": "automatic multicast tunnels (RFC 7450)",
    "192.88.99.0/24": "6to4 relays (RFC 7526)",
    "192.168.0.0/16": "private use (RFC 1918)",
    "192.175.48.0/24": "AS112 (RFC 7534)",
    "198.18.0.0/15": "benchmarks (RFC 2544)",
    "198.51.100.0/24": "documentation (RFC 5737)",
    "203.0.113.0/24": "documentation (RFC 5737)",
    "224.0.0.0/4": "multicast (RFC 5771)",
    "240.0.0.0/4": "reserved (RFC 1112), with the broadcast address",
}
GLOBAL_UNICAST = IPv6Network("2000::/3")
SPECIAL_V6 = {
    "2001::/23": "protocol assignments (RFC 2928): Teredo, benchmarks, ORCHID",
    "2001:db8::/32": "documentation (RFC 3849)",
    "2002::/16": "6to4 (RFC 7526)",
    "2620:4f:8000::/48": "AS112 (RFC 7534)",
    "3ffe::/16": "6bone (RFC 3701)",
    "3fff::/20": "documentation (RFC 9637)",
}
NAT64 = IPv6Network("64:ff9b::/96")

_SPECIAL_V4 = tuple(map(IPv4Network, SPECIAL_V4))
_SPECIAL_V6 = tuple(map(IPv6Network, SPECIAL_V6))


def is_public(address: Address) -> bool:
    """Whether `address` belongs to the public Internet. Of IPv6 that is 2000::/3 alone (RFC 4291 section 2.4).

    So the forms that carry an IPv4 address which a router may or may not unpack (`::/96`, 6to4, Teredo, the local
    NAT64 prefix 64:ff9b:1::/48 of RFC 8215) are not public, whatever they carry.
    """
    address = reached(address)
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _SPECIAL_V4)
    return address in GLOBAL_UNICAST and not any(address in network for network in _SPECIAL_V6)


def reached(address: Address) -> Address:
    """The address at the far end: the IPv4 address inside a mapped (RFC 4291) or a NAT64 one (RFC 6052)."""
    if isinstance(address, IPv4Address):
        return address
    if address in NAT64:
        return IPv4Address(address.packed[12:])
    return address.ipv4_mapped or address

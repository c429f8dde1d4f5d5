"""Where a call may go: pure decisions about URLs (RFC 3986), host names and addresses. No I/O.

https to public addresses, on port 443 or one that the connector declares. Plain http, other ports and private
addresses only where `HOLDFAST_EGRESS_ALLOW` names them. A URL that two parsers could read differently is refused,
not repaired: the host that is checked must be the host that is called (RFC 3986 section 7.6).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from yarl import URL

from holdfast.domain.manifest.template import host_matches
from holdfast.errors import EgressRefused, SettingsError
from holdfast.outbound.addresses import Address, is_public, reached

DEFAULT_PORTS = {"https": 443, "http": 80}

# After the host: printable ASCII without '#', since a fragment is never sent, and without '\', which some read as '/'.
_URL = re.compile(
    r"(https?)://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([1-9][0-9]{0,4}))?([/?][!-\"$-\[\]-~]*)?", re.IGNORECASE | re.ASCII
)
_LABEL = r"[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?"
# The last label starts with a letter: 127.1, 0x7f.1 and 2130706433 are addresses to getaddrinfo, so they are no names.
_NAME = re.compile(rf"(?=.{{1,253}}\Z)(?:{_LABEL}\.)*(?=[a-z]){_LABEL}")
_ENTRY = re.compile(r"(?:\[(?P<v6>[^]]+)\]|(?P<host>[^:]+))(?::(?P<port>[1-9][0-9]{0,4}))?")


@dataclass(frozen=True, slots=True, repr=False)
class Destination:
    """A URL that may be called. `host` is without brackets; `origin` is all that a log or an error shows of it."""

    url: URL
    host: str
    port: int
    origin: str

    def __repr__(self) -> str:
        return f"Destination({self.origin})"


@dataclass(frozen=True, slots=True)
class Allowance:
    """One entry of the allow list: a network or a host name, on one port or on every port (None)."""

    network: IPv4Network | IPv6Network | None = None
    name: str = ""
    port: int | None = None

    @classmethod
    def parse(cls, entry: str) -> Allowance:
        """`10.0.0.0/8`, `10.1.2.3:8443`, `[fd00::1]:8443`, `vault.corp.example:8443` or `*.corp.example`."""
        try:
            return cls(network=ip_network(entry))
        except ValueError:
            match = _ENTRY.fullmatch(entry)
        port = int(match["port"]) if match and match["port"] else None
        if match is None or (port or 0) > 65535:
            raise ValueError(entry)
        address = _literal(match["v6"] or match["host"])
        if address is not None:
            return cls(network=ip_network(address), port=port)
        if not _NAME.fullmatch((match["host"] or "").removeprefix("*.")):
            raise ValueError(entry)
        return cls(name=match["host"], port=port)

    def names(self, host: str, port: int) -> bool:
        """Whether the entry names `host` itself, not merely an address that it leads to."""
        address = _literal(host)
        if address is not None:
            return self.contains(address, port)
        return self.port in (None, port) and host_matches(host, [self.name])

    def contains(self, address: Address, port: int) -> bool:
        return self.port in (None, port) and self.network is not None and address in self.network


@dataclass(frozen=True, slots=True)
class EgressPolicy:
    """What may be called. Without allowances: https on the public Internet."""

    allowances: tuple[Allowance, ...] = ()

    @classmethod
    def parse(cls, text: str) -> EgressPolicy:
        """The policy that `HOLDFAST_EGRESS_ALLOW` sets: entries divided by commas or spaces.

        Raises SettingsError, naming the entry, for one that cannot be read.
        """
        return cls(tuple(_allowance(entry) for entry in re.split(r"[,\s]+", text.strip().lower()) if entry))

    def check_url(self, url: str, hosts: Collection[str] = ()) -> Destination:
        """`url`, taken apart once; the caller uses this and never parses the text again.

        `hosts` are the patterns of the connector (`api.example.com`, `*.example.com`, either with `:port`): the host
        must match one of them, and a port that they name may be called. Empty: any host.

        Raises EgressRefused for everything but a plain URL to a place that may be called. A host name is not
        resolved here: its addresses are for `check_address`.
        """
        scheme, text, port, rest = _parts(url)
        host, origin = _allowed(self, scheme, text, port, tuple(hosts))
        return Destination(URL(origin + rest, encoded=True), host, port, origin)

    def check_address(self, host: str, address: str, port: int = 443) -> None:
        """Raise EgressRefused unless `address`, which `host` leads to, is public or allowed."""
        try:
            target = ip_address(address)
        except ValueError:
            raise EgressRefused(f"{host} leads to something that is not an address.") from None
        if is_public(target) or self._names(host, port):
            return
        if not any(a.contains(target, port) or a.contains(reached(target), port) for a in self.allowances):
            raise EgressRefused(f"{host} does not lead to a public address.")

    def check_place(self, scheme: str, host: str, port: int, *, declared: bool) -> None:
        """Raise EgressRefused unless this may be called; `declared`: the connector names the port."""
        named = self._names(host, port)
        if scheme == "http" and not named:
            raise EgressRefused(f"{host} may be called over https only.")
        if port != DEFAULT_PORTS["https"] and not named and not declared:
            raise EgressRefused(f"Port {port} of {host} may not be called.")
        if _literal(host) is not None:
            self.check_address(host, host, port)
        elif "." not in host and not named:  # such a name is completed from the machine's own search list
            raise EgressRefused(f"{host} is not a full host name.")

    def _names(self, host: str, port: int) -> bool:
        return any(allowance.names(host, port) for allowance in self.allowances)


@lru_cache(maxsize=4096)
def _allowed(policy: EgressPolicy, scheme: str, text: str, port: int, hosts: tuple[str, ...]) -> tuple[str, str]:
    """The host that `text` names, and the origin, if it may be called. Only what may is remembered: nearly every call
    goes to a host that was called before, and nothing of the answer can change."""
    host = _host(text)
    authority = f"[{host}]" if ":" in host else host
    declared = host_matches(f"{authority}:{port}", hosts)
    default = DEFAULT_PORTS[scheme] == port
    if hosts and not declared and not (default and host_matches(authority, hosts)):
        raise EgressRefused(f"The request may not go to {authority}:{port}.")
    policy.check_place(scheme, host, port, declared=declared)
    return host, f"{scheme}://{authority}" if default else f"{scheme}://{authority}:{port}"


def _allowance(entry: str) -> Allowance:
    try:
        return Allowance.parse(entry)
    except ValueError:
        raise SettingsError(
            f"HOLDFAST_EGRESS_ALLOW: {entry!r} is not a network, an address, a host name or one of these with a port."
        ) from None


def _parts(url: str) -> tuple[str, str, int, str]:
    """Scheme, host as it stands there in small letters, port, and the rest from the path on."""
    match = _URL.fullmatch(url)
    if match is None:
        raise EgressRefused("The address is not a plain https URL.")
    scheme = match[1].lower()
    port = int(match[3] or DEFAULT_PORTS[scheme])
    if port > 65535:
        raise EgressRefused("The address has no valid port.")
    rest = match[4] or ""
    return scheme, match[2].lower(), port, rest if rest.startswith("/") else f"/{rest}"


def _host(text: str) -> str:
    """A name as it stands; an address in its canonical form, without the brackets that IPv6 (and nothing else) has."""
    address = _literal(text.strip("[]"))
    if address is None and _NAME.fullmatch(text):
        return text
    if address is None or text.startswith("[") != (address.version == 6):
        raise EgressRefused("The address has no valid host.")
    return str(address)


@lru_cache(maxsize=4096)
def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None

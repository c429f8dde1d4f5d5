"""Which addresses are public."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from holdfast.outbound.addresses import SPECIAL_V4, SPECIAL_V6, is_public

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "egress.md"

PUBLIC = ["8.8.8.8", "93.184.216.34", "172.15.255.255", "172.32.0.0", "100.63.255.255", "100.128.0.0", "198.17.255.255",
          "198.20.0.0", "223.255.255.255", "192.0.1.0", "168.63.129.15", "2600:1901:0:38d7::1", "2001:200::1",
          "2a00:1450:4001:800::200e", "3ffd::1", "::ffff:8.8.8.8", "64:ff9b::808:808"]  # fmt: skip

SPECIAL = ["::", "::1", "::7f00:1", "::ffff:0:7f00:1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1",
           "64:ff9b::a9fe:a9fe", "64:ff9b:1::7f00:1", "64:ff9b:1::808:808", "100::1", "100:0:0:1::1", "2001::1",
           "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:2::1", "2001:1ff:ffff::1", "2002:7f00:1::", "2002:808:808::1",
           "4000::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fd20:ce::254", "fe80::1", "fec0::1", "ff02::1", "ff0e::1",
           "1fff:ffff::1", "e000::1"]  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_addresses_of_the_internet_are_public(address: str) -> None:
    """The Internet can be called, up to the very edge of every special range."""
    assert is_public(ip_address(address))


@pytest.mark.parametrize("address", SPECIAL)
def test_addresses_that_lead_elsewhere_are_not_public(address: str) -> None:
    """An IPv6 address outside the global range, or one that carries another address inside, is not public."""
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("block", [*SPECIAL_V4, *SPECIAL_V6])
def test_a_special_range_is_closed_from_end_to_end(block: str) -> None:
    """The first, the middle and the last address of a special-purpose range are not public."""
    network = ip_network(block)

    assert not any(is_public(network[i]) for i in (0, network.num_addresses // 2, -1))


@pytest.mark.parametrize("block", SPECIAL_V4)
def test_an_ipv6_spelling_does_not_open_an_ipv4_range(block: str) -> None:
    """A mapped or NAT64 address is judged by the IPv4 address that it reaches."""
    inner = ip_network(block)[-1]

    assert not is_public(ip_address(f"::ffff:{inner}"))
    assert not is_public(ip_address(f"64:ff9b::{inner}"))


def test_the_page_lists_every_closed_range() -> None:
    """An operator finds each range of the table on the reference page."""
    page = PAGE.read_text()

    assert [block for block in [*SPECIAL_V4, *SPECIAL_V6] if f"`{block}`" not in page] == []

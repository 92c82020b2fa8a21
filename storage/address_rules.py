"""Which addresses may be connected to.

``ipaddress.is_global`` is not the answer: it lets several of these through, and other ones in each Python version.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_V4_REFUSED = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # carriers' private ranges; a cloud's metadata service too (100.100.100.200)
        "127.0.0.0/8",
        "168.63.129.16/32",  # a public number that one cloud uses for its platform
        "169.254.0.0/16",  # metadata services
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
_V6_PUBLIC = IPv6Network("2000::/3")  # so mapped, NAT64, unique local, link-local and site-local ones fall out
_V6_REFUSED = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments, Teredo
        "2001:db8::/32",
        "2002::/16",  # 6to4 carries any IPv4 address
        "3fff::/20",
    )
)


def is_public(address: Address, denied: Iterable[Network] = ()) -> bool:
    """Whether anybody on the Internet could be asked there. ``denied`` are the operator's own public networks."""
    if any(address in network for network in denied):
        return False
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _V4_REFUSED)
    if address.scope_id is not None:
        return False
    return address in _V6_PUBLIC and not any(address in network for network in _V6_REFUSED)

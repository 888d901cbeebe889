"""Which addresses a URL may lead to."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address

# Routable, but for the machinery of the network itself: protocol assignments, and relays of 6to4.
_REFUSED_IPV4 = [IPv4Network("192.0.0.0/24"), IPv4Network("192.88.99.0/24")]
_IPV6_UNICAST = IPv6Network("2000::/3")
# Teredo and other protocol assignments, 6to4: an IPv4 address may hide in them. The others are for documentation.
_REFUSED_IPV6 = [
    IPv6Network("2001::/23"),
    IPv6Network("2001:db8::/32"),
    IPv6Network("2002::/16"),
    IPv6Network("3fff::/20"),
]


def is_public(address: str) -> bool:
    """Whether an IP address belongs to a host of the public internet.

    Private, loopback, link-local, shared (carrier-grade NAT), multicast and reserved addresses do not; of IPv6 only
    global unicast does, which excludes IPv4-mapped addresses and NAT64, and of that neither 6to4 nor Teredo.
    """
    # A link-local IPv6 address may carry the name of an interface.
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv4Address):
        is_ordinary = ip.is_global and not ip.is_multicast and not ip.is_reserved
        return is_ordinary and not any(ip in network for network in _REFUSED_IPV4)
    return ip in _IPV6_UNICAST and ip.is_global and not any(ip in network for network in _REFUSED_IPV6)

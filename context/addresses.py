"""Which IP addresses are public: what stands here and nothing else decides whom a stranger may have us call."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

# From IANA's registries of special-purpose addresses, of multicast and of reserved space. Own lists, because
# `ipaddress` calls global what leads inside: relays, translators, a cloud's service address.
_SPECIAL_V4 = [
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",
        "100.64.0.0/10",  # between a carrier and its customers; clouds keep services here
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's own services, as seen from a machine there
        "169.254.0.0/16",  # link-local, with most clouds' metadata
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",  # relays to 6to4
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",  # multicast, reserved, broadcast
    )
]
# Outside of it: loopback, IPv4-mapped and -compatible, both translation prefixes (64:ff9b), discard-only, SRv6,
# unique local, link-local, site-local, multicast, and what nobody was given yet.
_GLOBAL_V6 = IPv6Network("2000::/3")
_SPECIAL_V6 = [
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocols: Teredo, benchmarks, ORCHID, relays
        "2001:db8::/32",
        "2002::/16",  # 6to4: an IPv4 address in disguise
        "2620:4f:8000::/48",
        "3ffe::/16",
        "3fff::/20",
    )
]
_ISATAP = 0x5EFE


def is_public(address: str | IPv4Address | IPv6Address) -> bool:
    """Whether an address belongs to the open internet.

    Also false for every IPv6 address that is known to carry an IPv4 address, whatever that one is. Raises
    ``ValueError`` for what is no address.
    """
    address = ip_address(address)
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _SPECIAL_V4)
    if address.scope_id is not None or address not in _GLOBAL_V6 or _is_isatap(address):
        return False
    return not any(address in network for network in _SPECIAL_V6)


def _is_isatap(address: IPv6Address) -> bool:
    """Whether its last 64 bits are those of a tunnel to the IPv4 address in the last 32."""
    # The bit left out says whether that address is unique.
    return (int(address) >> 32) & 0xFDFFFFFF == _ISATAP

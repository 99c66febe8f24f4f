"""Where a request really comes from: proxies that are known may say for whom they ask."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from flask import Request
from marshmallow import ValidationError, fields

HEADER = "X-Forwarded-For"
IN_PROCESS = "ijp.in_process"
"""Key of the WSGI environment of a call inside this process; no header can set it."""

OWN = "this process"
"""The address of what a service of this process asks for itself."""

Network = IPv4Network | IPv6Network
_MOST_HOPS = 20


class Networks(fields.Field[list[Network]]):
    """Addresses and networks in the settings, such as ``10.1.2.3`` and ``fd00::/8``."""

    def __init__(self) -> None:
        super().__init__(load_default=list)

    def _deserialize(self, value: object, *_: object, **__: object) -> list[Network]:
        if isinstance(value, str):  # of an environment variable
            value = value.replace(",", " ").split()
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise ValidationError("must be a list of addresses and networks")
        try:
            return [ip_network(one) for one in value]
        except ValueError as error:
            raise ValidationError(str(error)) from error


def of(request: Request, trusted: Sequence[Network]) -> str:
    """The address of the client that a request is made for.

    Each proxy adds who asked it at the end of the header, so that is read from its end, as far as
    those who wrote it are trusted. A caller that is not trusted can write into it what it likes.

    Args:
        trusted: Proxies and services whose word is taken; calls inside this process are as well.

    Returns:
        An address without port, ``OWN`` for a service of this process that asks for itself.
    """
    inside = bool(request.environ.get(IN_PROCESS))
    peer = OWN if inside else request.remote_addr or ""
    if not inside and not _is_trusted(peer, trusted):
        return _plain(peer)
    told = ",".join(request.headers.getlist(HEADER)).split(",")[-_MOST_HOPS:]
    for one in reversed(told):
        if (address := _parsed(one)) is None:
            return _plain(peer)
        peer = str(address)
        if not _is_trusted(peer, trusted):
            break
    return _plain(peer)


def _plain(text: str) -> str:
    address = _parsed(text)
    return text if address is None else str(address)


def _is_trusted(text: str, trusted: Sequence[Network]) -> bool:
    address = _parsed(text)
    return address is not None and any(address in network for network in trusted)


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text.strip().strip("[]"))
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address

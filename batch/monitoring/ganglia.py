"""What Ganglia's gmond sends to whoever connects: a cluster as XML.

Each host is read by itself, without the document type before all of them: so there is no entity
that could be expanded, and a host that cannot be read spoils no other.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

from lxml import etree

from batch.monitoring.measures import Measures, quantity, used, whole
from batch.reading import decimal
from ijp.errors import UnavailableError

log = logging.getLogger(__name__)

_HOST = re.compile(r"<HOST\s")
_END = "</HOST>"
_KIB = 1024
_GB = 1_000_000_000


def read(content: bytes) -> list[Measures]:
    """The hosts of which something was measured.

    Raises:
        UnavailableError: This is not what gmond sends.
    """
    text = content.decode("iso-8859-1")
    if "<GANGLIA_XML" not in text:
        raise UnavailableError(f"this is not what gmond sends: {text[:80]!r}")
    starts = [found.start() for found in _HOST.finditer(text)]
    hosts = []
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        host = _host(text[start:end])
        if host is not None and not host.is_empty:
            hosts.append(host)
    return hosts


def _host(text: str) -> Measures | None:
    whole_text, ended, _ = text.partition(_END)
    try:
        # One parser for each: it remembers nothing, and entities have no place to be declared.
        host = etree.fromstring(
            f"{whole_text}{ended}".encode(),
            etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False),
        )
    except (etree.XMLSyntaxError, ValueError):
        log.warning("gmond sends a host that cannot be read: %.100r", text)
        return None
    names = tuple(name for name in (host.get("NAME"), host.get("IP")) if name)
    metrics = {one.get("NAME", ""): one for one in host.iter("METRIC")}
    values = {name: decimal(one.get("VAL")) for name, one in metrics.items()}
    told = (metrics.get("load_one", host).get("TN"), host.get("TN"))
    age = next((found for one in told if (found := quantity(decimal(one))) is not None), 0.0)
    return Measures(hosts=names, age_seconds=age, **_measures(values)) if names else None


def _measures(values: Mapping[str, float | None]) -> dict[str, Any]:
    total = _scaled(values.get("mem_total"), _KIB)
    parts = [values.get(name) for name in ("mem_free", "mem_buffers", "mem_cached")]
    free = None if parts[0] is None else sum(part or 0.0 for part in parts)
    return {
        "load_1": quantity(values.get("load_one")),
        "load_5": quantity(values.get("load_five")),
        "load_15": quantity(values.get("load_fifteen")),
        "cores": whole(values.get("cpu_num")),
        "memory_bytes": total,
        "memory_used_bytes": used(total, _scaled(free, _KIB)),
        "disk_bytes": _scaled(values.get("disk_total"), _GB),
        "disk_free_bytes": _scaled(values.get("disk_free"), _GB),
        "gpus": whole(values.get("gpu_num")),
        "users": whole(values.get("users")),
    }


def _scaled(value: float | None, unit: int) -> int | None:
    return None if value is None else whole(value * unit)

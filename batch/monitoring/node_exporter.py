"""What Prometheus' node_exporter says of its host."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client.parser import text_string_to_metric_families

from batch.monitoring.measures import Measures, quantity, used, whole
from ijp.errors import UnavailableError

_NAMES = {
    "load_1": "node_load1",
    "load_5": "node_load5",
    "load_15": "node_load15",
    "total": "node_memory_MemTotal_bytes",
    "available": "node_memory_MemAvailable_bytes",
}
_CPU = "node_cpu_seconds_total"
_SIZE, _FREE = "node_filesystem_size_bytes", "node_filesystem_avail_bytes"
_NAME = "node_uname_info"
_SESSIONS = "node_logind_sessions"
_WANTED = (*_NAMES.values(), _CPU, _SIZE, _FREE, _NAME, _SESSIONS)
_Sample = tuple[str, Mapping[str, str], float]


def read(content: bytes, host: str, mountpoint: str = "/") -> Measures:
    """What is measured on one host.

    Args:
        host: The name by which it was asked.
        mountpoint: Of the file system whose space is told.

    Raises:
        UnavailableError: There is nothing of a node_exporter in this.
    """
    found = list(_samples(content.decode("utf-8", "replace")))
    single = {name: quantity(value) for name, _, value in found}
    total, available = (whole(single.get(_NAMES[name])) for name in ("total", "available"))
    disk = {
        name: whole(value)
        for name, labels, value in found
        if labels.get("mountpoint") == mountpoint
    }
    cores = {labels["cpu"] for name, labels, _ in found if name == _CPU and labels.get("cpu")}
    names = [labels.get("nodename", "") for name, labels, _ in found if name == _NAME]
    sessions = [value for name, labels, value in found if _is_of_somebody(name, labels)]
    measures = Measures(
        hosts=tuple(name for name in (*names[:1], host) if name),
        load_1=single.get(_NAMES["load_1"]),
        load_5=single.get(_NAMES["load_5"]),
        load_15=single.get(_NAMES["load_15"]),
        cores=len(cores) or None,
        memory_bytes=total,
        memory_used_bytes=used(total, available),
        disk_bytes=disk.get(_SIZE),
        disk_free_bytes=disk.get(_FREE),
        users=whole(sum(sessions)) if sessions else None,
    )
    if measures.is_empty:
        raise UnavailableError("there is nothing of a node_exporter in what it sends")
    return measures


def _samples(text: str) -> Iterator[_Sample]:
    """The lines that are wanted; each is read by itself, so that a broken one spoils no other."""
    for line in text.splitlines():
        if line.startswith(_WANTED):
            try:
                families = list(text_string_to_metric_families(line))
            except (ValueError, IndexError, KeyError):
                continue
            for family in families:
                for sample in family.samples:
                    if sample.name in _WANTED:
                        yield sample.name, sample.labels, float(sample.value)


def _is_of(labels: Mapping[str, str], mountpoint: str) -> bool:
    return labels.get("mountpoint") == mountpoint


def _is_of_somebody(name: str, labels: Mapping[str, str]) -> bool:
    return name == _SESSIONS and labels.get("class") == "user"

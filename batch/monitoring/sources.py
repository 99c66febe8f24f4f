"""Asking all sources at once: each may be away, slow or wrong without harm to the others."""

from __future__ import annotations

import logging
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

from batch.monitoring import asking, ganglia, node_exporter
from batch.monitoring.measures import Measures
from ijp.errors import PortalError

log = logging.getLogger(__name__)

GMOND_PORT = 8649
_AT_ONCE = 16
_HOST = re.compile(r"[A-Za-z0-9._:-]+")


@dataclass(frozen=True)
class Answer:
    """What a source said.

    Attributes:
        fault: Why there is nothing; "" if there is.
    """

    source: str
    measures: tuple[Measures, ...] = ()
    fault: str = ""


class Source(ABC):
    """Somebody who knows of hosts."""

    name: str
    """What an operator knows it by."""

    @abstractmethod
    def ask(self, seconds: float) -> list[Measures]:
        """What it says now.

        Raises:
            UnavailableError: It does not answer in this time, or not as it should.
        """


class Gmond(Source):
    """A gmond, which knows all hosts of its cluster."""

    def __init__(self, address: str) -> None:
        """Take an address such as ``head.example.org:8649``.

        Raises:
            ValueError: It is none.
        """
        place = urlsplit(f"//{address}")
        host = place.hostname or ""
        if not _HOST.fullmatch(host) or place.netloc != address or "@" in address:
            raise ValueError(f"not an address such as head:{GMOND_PORT}: {address!r}")
        self._host, self._port = host, place.port or GMOND_PORT
        self.name = f"gmond {address}"

    def ask(self, seconds: float) -> list[Measures]:
        return ganglia.read(asking.answer(self._host, self._port, seconds=seconds))


class NodeExporter(Source):
    """A node_exporter, which knows its own host."""

    def __init__(self, url: str, mountpoint: str = "/") -> None:
        """Take an address such as ``http://n1:9100/metrics``.

        Raises:
            ValueError: It is none.
        """
        place = urlsplit(url)
        is_plain = url.isascii() and url.isprintable() and " " not in url
        host = place.hostname or ""
        is_web = place.scheme in ("http", "https") and _HOST.fullmatch(host)
        if not is_web or not is_plain:
            raise ValueError(f"not an address such as http://n1:9100/metrics: {url!r}")
        _ = place.port
        self._url, self._host, self._mountpoint = url, host, mountpoint
        self.name = f"node_exporter {place.netloc.rpartition('@')[2]}"

    def ask(self, seconds: float) -> list[Measures]:
        told = asking.page(self._url, seconds=seconds)
        return [node_exporter.read(told, self._host, self._mountpoint)]


def ask_all(sources: Sequence[Source], *, seconds: float, in_all_seconds: float) -> list[Answer]:
    """The answers in the order of the sources.

    Args:
        seconds: How long each may take.
        in_all_seconds: How long all may take together; who has no turn until then is not asked.
    """
    until = time.monotonic() + in_all_seconds

    def ask(source: Source) -> Answer:
        left = min(seconds, until - time.monotonic())
        if left <= 0:
            return Answer(source.name, fault="not asked: the others took too long")
        return _ask(source, left)

    if not sources:
        return []
    with ThreadPoolExecutor(min(_AT_ONCE, len(sources)), thread_name_prefix="monitor") as pool:
        return list(pool.map(ask, sources))


def _ask(source: Source, seconds: float) -> Answer:
    try:
        return Answer(source.name, tuple(source.ask(seconds)))
    except PortalError as error:
        return Answer(source.name, fault=error.message)
    except Exception as error:
        log.exception("%s cannot be asked", source.name)
        return Answer(source.name, fault=f"{type(error).__name__}: {error}"[:300])

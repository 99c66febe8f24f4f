"""Whom the portal asks about the hosts that run jobs, beside the batch system."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, post_load, validate, validates

from batch.monitoring.sources import Gmond, NodeExporter, Source


@dataclass(frozen=True)
class MonitoringSettings:
    """What ``[portal.monitoring]`` says.

    Attributes:
        interval_seconds: Between two looks at all hosts.
        timeout_seconds: How long a source may take for all of its answer.
        gmond: Addresses such as ``head:8649``; each knows its whole cluster.
        node_exporters: Addresses such as ``http://n1:9100/metrics``, one a host.
        mountpoint: Of the file system on hosts with a node_exporter whose space is shown.
    """

    interval_seconds: float = 30.0
    timeout_seconds: float = 5.0
    gmond: tuple[str, ...] = ()
    node_exporters: tuple[str, ...] = ()
    mountpoint: str = "/"

    def sources(self) -> list[Source]:
        """Whom to ask."""
        exporters = [NodeExporter(url, self.mountpoint) for url in self.node_exporters]
        return [*map(Gmond, self.gmond), *exporters]


class MonitoringSchema(Schema):
    """The keys of ``[portal.monitoring]``."""

    class Meta:
        unknown = RAISE

    interval_seconds = fields.Float(load_default=30.0, validate=validate.Range(min=0.1))
    timeout_seconds = fields.Float(load_default=5.0, validate=validate.Range(min=0.1, max=60))
    gmond = fields.List(fields.String(), load_default=[])
    node_exporters = fields.List(fields.String(), load_default=[])
    mountpoint = fields.String(load_default="/", validate=validate.Regexp("/"))

    @validates("gmond")
    def _check_gmond(self, value: list[str], **_: Any) -> None:
        _check(Gmond, value)

    @validates("node_exporters")
    def _check_node_exporters(self, value: list[str], **_: Any) -> None:
        _check(NodeExporter, value)

    @post_load
    def _settings(self, found: dict[str, Any], **_: Any) -> MonitoringSettings:
        lists = {name: tuple(found[name]) for name in ("gmond", "node_exporters")}
        return MonitoringSettings(**{**found, **lists})


def _check(kind: type[Gmond] | type[NodeExporter], addresses: list[str]) -> None:
    for address in addresses:
        try:
            kind(address)
        except ValueError as error:
            raise ValidationError(str(error)) from error

"""What is said of hosts on the wire."""

from __future__ import annotations

from marshmallow import fields, validate

from portal.nodes import MOST_NOTE
from servicekit.wire import WireSchema


class HostOut(WireSchema):
    """A host that runs jobs; what nobody measured is null."""

    engine = fields.String(metadata={"description": "which batch system has it"})
    name = fields.String()
    online = fields.Boolean(metadata={"description": "whether new jobs are started there"})
    slots = fields.Integer(metadata={"description": "cores that jobs may use"})
    slots_used = fields.Integer()
    load_average = fields.Float(attribute="load_1", allow_none=True)
    load_average_5 = fields.Float(attribute="load_5", data_key="loadAverage5", allow_none=True)
    load_average_15 = fields.Float(attribute="load_15", data_key="loadAverage15", allow_none=True)
    cores = fields.Integer()
    memory_bytes = fields.Integer(allow_none=True)
    memory_used_bytes = fields.Integer(allow_none=True)
    disk_bytes = fields.Integer(allow_none=True)
    disk_free_bytes = fields.Integer(allow_none=True)
    gpus = fields.Integer()
    users = fields.Integer(allow_none=True, metadata={"description": "people's sessions there"})
    state = fields.String(metadata={"description": "in the batch system's own words"})
    reason = fields.String(metadata={"description": "why it takes no jobs"})
    features = fields.List(fields.String())
    queues = fields.List(fields.String())
    jobs = fields.Integer(metadata={"description": "of the portal that run there"})
    own_jobs = fields.Integer()
    told_at = fields.AwareDateTime(metadata={"description": "when the batch system said how it is"})
    measured_at = fields.AwareDateTime(
        allow_none=True, metadata={"description": "when load, memory and disk were measured"}
    )
    can_change = fields.Boolean(
        metadata={"description": "whether administrators can set it offline and online"}
    )


class NodeOnlineIn(WireSchema):
    """Which of several hosts of a name."""

    engine = fields.String(load_default="", validate=validate.Length(max=100))


class NodeOfflineIn(NodeOnlineIn):
    """Why a host is to take no jobs."""

    note = fields.String(required=True, validate=validate.Length(1, MOST_NOTE))

"""What goes over the wire of ``/api/v1`` about sweeps, bulk actions and batch files."""

from __future__ import annotations

from datetime import UTC

from marshmallow import fields, validate

from portal.api.blueprint import Ids
from portal.api.schemas import JobOut
from portal.batch_file import Format
from portal.failure import Failure
from portal.job_actions import Action
from servicekit.wire import WireSchema

_Id = validate.Range(min=1, max=2**63 - 1)
_Failure = validate.OneOf([str(one) for one in Failure])
MOST_REFERENCES = 10_000


class CountsOut(WireSchema):
    """How many of a sweep's jobs are where."""

    total = fields.Integer()
    waiting = fields.Integer()
    running = fields.Integer()
    done = fields.Integer()
    failed = fields.Integer()
    cancelled = fields.Integer()
    ended = fields.Integer()
    failures = fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        metadata={"description": "of the failed ones, how many why; only of one sweep"},
    )


class SweepOut(WireSchema):
    """Jobs that were submitted together."""

    id = fields.Integer()
    name = fields.String()
    job_type = fields.String()
    user = fields.String(attribute="user_name")
    submitted_at = fields.AwareDateTime(format="iso", default_timezone=UTC)
    size = fields.Integer(metadata={"description": "how many they were; some may be deleted"})
    state = fields.String(metadata={"description": "one word for all"})
    counts = fields.Nested(CountsOut)
    waits = fields.String(metadata={"description": "which limit keeps some of its jobs waiting"})


class EntryOut(WireSchema):
    """A row of the list: a job of its own, or a sweep."""

    job = fields.Nested(JobOut)
    sweep = fields.Nested(SweepOut)


class EntriesOut(WireSchema):
    """A page of the list; ``next`` is the ``after`` of the next one."""

    entries = fields.List(fields.Nested(EntryOut))
    next = fields.Integer(allow_none=True)


class ReferencesIn(WireSchema):
    """Some jobs, and all jobs of sweeps to which it applies."""

    jobs = fields.List(
        fields.String(validate=validate.Length(1, 40)),
        load_default=list,
        validate=validate.Length(max=MOST_REFERENCES),
        metadata={"description": "numbers or public ids"},
    )
    sweeps = fields.List(
        fields.Integer(strict=True, validate=_Id),
        load_default=list,
        validate=validate.Length(max=100),
    )
    failure = fields.String(
        validate=_Failure, metadata={"description": "of the sweeps, only jobs that failed so"}
    )
    more = fields.Boolean(
        load_default=True,
        truthy={True},
        falsy={False},
        metadata={"description": "a retry asks for more memory or time where that was the reason"},
    )


class ActionIn(ReferencesIn):
    """What to do to them."""

    action = fields.String(required=True, validate=validate.OneOf([str(one) for one in Action]))


class RetryIn(WireSchema):
    """How to try a job again."""

    more = fields.Boolean(load_default=True, truthy={True}, falsy={False})


class FaultedOut(WireSchema):
    """Why something was not done."""

    code = fields.String()
    message = fields.String()


class DoneOut(WireSchema):
    """What became of an action on one job."""

    reference = fields.String()
    job_id = fields.Integer(allow_none=True)
    done = fields.Boolean()
    state = fields.String(allow_none=True)
    made = fields.Integer(allow_none=True, metadata={"description": "what a repetition made"})
    error = fields.Nested(FaultedOut, allow_none=True)


class ActionOut(WireSchema):
    """What became of it, job by job."""

    done = fields.Integer(metadata={"description": "how many"})
    failed = fields.Integer()
    results = fields.List(fields.Nested(DoneOut))
    sweep_ids = fields.List(
        fields.Integer(), metadata={"description": "of sweeps that repetitions made"}
    )


class RetryGroupOut(WireSchema):
    """Jobs that failed alike and would get the same."""

    jobs = fields.Integer()
    failure = fields.String(allow_none=True)
    before = fields.Dict()
    after = fields.Dict()


class RetryPlanOut(WireSchema):
    """What trying them again would do."""

    groups = fields.List(fields.Nested(RetryGroupOut))
    refused = fields.List(fields.Nested(DoneOut))


class BatchIn(WireSchema):
    """How a batch file is written, which is the body: one job a row."""

    format = fields.String(validate=validate.OneOf([str(one) for one in Format]))
    version = fields.String(metadata={"description": "refuse if the job type has changed since"})
    engine = fields.String(
        validate=validate.Length(1, 63),
        metadata={"description": "the batch engine; best, or none, leaves it to the portal"},
    )


class SubmitBatchIn(BatchIn):
    """A batch file that is to run."""

    key = fields.String(validate=validate.Length(1, 100))
    name = fields.String(validate=validate.Length(1, 255))
    leave_out_wrong = fields.Boolean(
        load_default=False,
        metadata={"description": "submit the good rows though others are wrong"},
    )


class FaultOut(WireSchema):
    """Something wrong at a place of a batch file."""

    line = fields.Integer()
    column = fields.String()
    value = fields.String()
    message = fields.String()


class BatchRowOut(WireSchema):
    """A row with what it would run."""

    line = fields.Integer()
    name = fields.String()
    command = fields.List(fields.String())
    faults = fields.List(fields.Nested(FaultOut))


class BatchOut(WireSchema):
    """What a batch file would do."""

    columns = fields.List(fields.String())
    good = fields.Integer()
    wrong = fields.Integer()
    rows = fields.List(fields.Nested(BatchRowOut), metadata={"description": "the first fifty"})
    faults = fields.List(fields.Nested(FaultOut))


class SubmittedBatchOut(WireSchema):
    """What a batch file became."""

    sweep_id = fields.Integer(allow_none=True)
    job_ids = fields.List(fields.Integer())


class TemplateIn(WireSchema):
    """How a template is to be written, and for which data."""

    dataset_ids = Ids()
    datafile_ids = Ids()
    format = fields.String(
        load_default="csv", validate=validate.OneOf([str(one) for one in Format])
    )


class QueueOut(WireSchema):
    """A queue of the batch system."""

    name = fields.String()
    hosts = fields.Integer()
    hosts_online = fields.Integer()
    slots = fields.Integer(metadata={"description": "cores that jobs may use, of hosts online"})
    slots_used = fields.Integer()


class QueuesOut(WireSchema):
    """The queues, and how many of the portal's jobs wait and run."""

    queues = fields.List(fields.Nested(QueueOut))
    running = fields.Integer()
    waiting = fields.Integer()
    own_running = fields.Integer()
    own_waiting = fields.Integer()


class AlterIn(WireSchema):
    """What a waiting job should have instead."""

    memory_mib = fields.Integer(strict=True, data_key="memoryMiB", validate=validate.Range(min=1))
    wall_minutes = fields.Integer(strict=True, validate=validate.Range(min=1))
    queue = fields.String(validate=validate.Length(1, 128))
    note = fields.String(
        load_default="",
        validate=validate.Length(max=1000),
        metadata={"description": "why, for the administrator"},
    )


class AlterationsIn(WireSchema):
    """Which requests to list."""

    pending = fields.Boolean(load_default=False, metadata={"description": "undecided ones only"})


class DecisionIn(WireSchema):
    """What an administrator says to a request."""

    reason = fields.String(load_default="", validate=validate.Length(max=1000))


class AlterationOut(WireSchema):
    """A request to alter a job."""

    id = fields.Integer()
    job_id = fields.Integer()
    job_name = fields.String()
    user = fields.String(attribute="user_name")
    asked_at = fields.AwareDateTime(format="iso", default_timezone=UTC)
    changes = fields.Dict()
    before = fields.Dict(metadata={"description": "what the job has of these now"})
    note = fields.String()
    state = fields.String(metadata={"description": "pending, granted, refused, done or failed"})
    decided_by = fields.String(allow_none=True)
    decided_at = fields.AwareDateTime(format="iso", default_timezone=UTC, allow_none=True)
    answer = fields.String()

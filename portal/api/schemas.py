"""What goes over the wire of ``/api/v1`` about sessions, jobs and capsules."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Any

from marshmallow import ValidationError, fields, post_load, validate, validates_schema

from portal.failure import Failure
from portal.gateway import NewDataset
from portal.parameter_values import Value
from portal.planning import Request
from portal.states import State
from servicekit.wire import WireSchema

_Id = validate.Range(min=1, max=2**63 - 1)


def _ids() -> fields.List[Any]:
    return fields.List(
        fields.Integer(strict=True, validate=_Id),
        load_default=list,
        validate=validate.Length(max=10_000),
    )


class CredentialFieldOut(WireSchema):
    """One thing that an authenticator asks for."""

    name = fields.String()
    hide = fields.Boolean(metadata={"description": "not to be shown while typed"})


class AuthenticatorOut(WireSchema):
    """A way to log in."""

    mnemonic = fields.String()
    friendly = fields.String()
    admin = fields.Boolean()
    keys = fields.List(fields.Nested(CredentialFieldOut))


class LoginIn(WireSchema):
    """Credentials, by the names that the authenticator asks for."""

    authenticator = fields.String(required=True, validate=validate.Length(1, 255))
    credentials = fields.Dict(
        keys=fields.String(), values=fields.String(), load_default=dict, metadata={"example": {}}
    )


class SessionOut(WireSchema):
    """Who is logged in."""

    user_name = fields.String()
    remaining_minutes = fields.Float()
    is_admin = fields.Boolean()
    catalog_url = fields.String(metadata={"description": "of the catalog that the session is of"})
    datastore_url = fields.String(metadata={"description": "of the data service, for the session"})


class LoggedInOut(SessionOut):
    """A new session."""

    session_id = fields.String()


class SubmitIn(WireSchema):
    """What to run on what."""

    job_type = fields.String(required=True, validate=validate.Length(1, 255))
    version = fields.String(metadata={"description": "refuse if the job type has changed since"})
    dataset_ids = _ids()
    datafile_ids = _ids()
    options = fields.Dict(keys=fields.String(), values=fields.Raw(allow_none=True))
    arguments = fields.List(
        fields.String(), metadata={"description": "only for job types with raw arguments"}
    )
    one_job = fields.Boolean(
        truthy={True}, falsy={False}, allow_none=True, metadata={"description": "or one each"}
    )
    investigation_id = fields.Integer(
        strict=True,
        validate=_Id,
        allow_none=True,
        metadata={"description": "where results go; by default where the inputs are"},
    )
    key = fields.String(
        validate=validate.Length(1, 100),
        metadata={"description": "the same key again gives the same jobs"},
    )
    name = fields.String(validate=validate.Length(1, 255))
    engine = fields.String(
        validate=validate.Length(1, 63),
        metadata={"description": "the batch engine; best, or none, leaves it to the portal"},
    )

    @post_load
    def _request(self, data: Mapping[str, Any], **_: Any) -> Request:
        values = dict(data)
        for name in ("dataset_ids", "datafile_ids", "arguments"):
            values[name] = tuple(values.get(name, ()))
        return Request(**values)


class JobInputs(WireSchema):
    """Ids of what a job was started on."""

    datasets = fields.List(fields.Integer())
    datafiles = fields.List(fields.Integer())
    datafiles_read = fields.List(
        fields.Integer(), metadata={"description": "what it really read so far"}
    )


class JobOutputs(WireSchema):
    """Ids of what a job made."""

    datasets = fields.List(fields.Integer())
    augmented = fields.List(
        fields.Integer(), metadata={"description": "inputs to which it added parameters"}
    )


class JobEventOut(WireSchema):
    """A line of a job's history."""

    at = fields.AwareDateTime(format="iso", default_timezone=UTC)
    state = fields.String()
    text = fields.String()


class ApplicationOut(WireSchema):
    """What runs, as the provenance names it."""

    name = fields.String()
    version = fields.String()


class AttemptOut(WireSchema):
    """How an earlier attempt of a job went."""

    number = fields.Integer()
    state = fields.String()
    reason = fields.String()
    failure = fields.String(allow_none=True)
    resources = fields.Dict()
    started_at = fields.AwareDateTime(format="iso", default_timezone=UTC, allow_none=True)
    ended_at = fields.AwareDateTime(format="iso", default_timezone=UTC, allow_none=True)
    exit_code = fields.Integer(allow_none=True)
    signal = fields.Integer(allow_none=True)
    cpu_seconds = fields.Float(allow_none=True)
    peak_memory_bytes = fields.Integer(allow_none=True)
    node = fields.String(allow_none=True)
    outputs = fields.List(fields.Integer(), attribute="output_ids")


class JobOut(WireSchema):
    """A job; inputs, outputs, events and attempts only where one job was asked for."""

    id = fields.Integer()
    public_id = fields.String()
    name = fields.String()
    job_type = fields.String()
    state = fields.String(validate=validate.OneOf([str(one) for one in State]))
    reason = fields.String()
    failure = fields.String(
        allow_none=True,
        validate=validate.OneOf([str(one) for one in Failure]),
        metadata={"description": "why it failed, as a word"},
    )
    attempt = fields.Integer(metadata={"description": "which try this is, from 1"})
    sweep_id = fields.Integer(allow_none=True)
    engine = fields.String(metadata={"description": "the batch engine that it is with"})
    engine_reason = fields.String(metadata={"description": "why that one; empty without a choice"})
    resources = fields.Dict(metadata={"description": "what it asked for"})
    progress = fields.Float(allow_none=True)
    progress_message = fields.String()
    user = fields.String()
    submitted_at = fields.AwareDateTime(format="iso", default_timezone=UTC)
    started_at = fields.AwareDateTime(format="iso", default_timezone=UTC, allow_none=True)
    ended_at = fields.AwareDateTime(format="iso", default_timezone=UTC, allow_none=True)
    exit_code = fields.Integer(allow_none=True)
    signal = fields.Integer(allow_none=True)
    command = fields.List(fields.String())
    options = fields.Dict()
    investigation_id = fields.Integer(allow_none=True)
    cpu_seconds = fields.Float(allow_none=True)
    peak_memory_bytes = fields.Integer(allow_none=True)
    node = fields.String(allow_none=True)
    provenance_id = fields.Integer(allow_none=True)
    application = fields.Nested(ApplicationOut)
    inputs = fields.Nested(JobInputs)
    outputs = fields.Nested(JobOutputs)
    events = fields.List(fields.Nested(JobEventOut))
    attempts = fields.List(fields.Nested(AttemptOut))


class SubmittedOut(WireSchema):
    """The jobs that a submission became, in the order of the inputs."""

    jobs = fields.List(fields.Nested(JobOut))
    sweep_id = fields.Integer(
        allow_none=True, metadata={"description": "of the sweep that several jobs are"}
    )


class JobsOut(WireSchema):
    """A page of jobs; ``next`` is the ``after`` of the next one."""

    jobs = fields.List(fields.Nested(JobOut))
    next = fields.Integer(allow_none=True)


class JobsIn(WireSchema):
    """Which jobs to list."""

    state = fields.String(metadata={"description": "one, or several with commas"})
    type = fields.String()
    failure = fields.String(validate=validate.OneOf([str(one) for one in Failure]))
    sweep = fields.Integer(
        validate=_Id, metadata={"description": "elements of this sweep, in their order"}
    )
    text = fields.String()
    user = fields.String(metadata={"description": "for administrators; * for everybody"})
    after = fields.Integer(validate=_Id)
    limit = fields.Integer(load_default=50, validate=validate.Range(1, 1000))


class OutputIn(WireSchema):
    """Which output, and how much of it; a Range header works too."""

    attempt = fields.Integer(
        validate=_Id, metadata={"description": "an earlier one; by default the present"}
    )

    stream = fields.String(load_default="out", validate=validate.OneOf(["out", "err"]))
    tail = fields.Integer(
        validate=validate.Range(1, 1 << 20), metadata={"description": "the last bytes only"}
    )


class RepeatIn(WireSchema):
    """How to repeat a job."""

    key = fields.String(validate=validate.Length(1, 100))


class ParameterIn(WireSchema):
    """A parameter as a job sends it; ``numericValue`` is in the units of its type."""

    name = fields.String(required=True, validate=validate.Length(1, 255))
    units = fields.String(validate=validate.Length(max=255))
    numeric_value = fields.Float(allow_nan=False)
    string_value = fields.String(validate=validate.Length(1, 4000))
    date_time_value = fields.AwareDateTime(format="iso", default_timezone=UTC)
    error = fields.Float(allow_nan=False, validate=validate.Range(min=0))

    @validates_schema
    def _one_value(self, data: Mapping[str, Any], **_: Any) -> None:
        if len(data.keys() & {"numeric_value", "string_value", "date_time_value"}) != 1:
            raise ValidationError("give one of numericValue, stringValue and dateTimeValue")

    @post_load
    def _value(self, data: Mapping[str, Any], **_: Any) -> Value:
        return Value(**data)


class ParametersIn(WireSchema):
    """Parameters for one dataset."""

    parameters = fields.List(
        fields.Nested(ParameterIn), required=True, validate=validate.Length(1, 1000)
    )


class DatasetIn(WireSchema):
    """A dataset that a job makes."""

    name = fields.String(required=True)
    type = fields.String(required=True)
    description = fields.String(validate=validate.Length(max=255))
    parameters = fields.List(
        fields.Nested(ParameterIn), load_default=list, validate=validate.Length(max=1000)
    )
    start_date = fields.AwareDateTime(format="iso", default_timezone=UTC)
    end_date = fields.AwareDateTime(format="iso", default_timezone=UTC)

    @post_load
    def _dataset(self, data: Mapping[str, Any], **_: Any) -> NewDataset:
        return NewDataset(**{**data, "parameters": tuple(data["parameters"])})


class ProgressIn(WireSchema):
    """How far a job is."""

    fraction = fields.Float(allow_nan=False, allow_none=True, validate=validate.Range(0, 1))
    message = fields.String(load_default="", validate=validate.Length(max=1000))


class FormatIn(WireSchema):
    """Of an uploaded file."""

    format = fields.String(metadata={"description": "a datafile format's name"})


class CreatedOut(WireSchema):
    """The id of what was made."""

    id = fields.Integer()


class StoredOut(WireSchema):
    """A file that was stored."""

    id = fields.Integer()
    size = fields.Integer()
    checksum = fields.Integer(metadata={"description": "CRC-32 of the content"})


class CapsuleOut(WireSchema):
    """What a job needs to know of itself."""

    job_id = fields.Integer()
    public_id = fields.String()
    job_type = fields.String()
    user = fields.String()
    arguments = fields.List(fields.String())
    investigation_id = fields.Integer(allow_none=True)
    facility = fields.String()
    inputs = fields.Dict(metadata={"description": "datasets and datafiles, with their files"})

"""What goes over the wire of ``/api/v1`` about data and job types."""

from __future__ import annotations

from marshmallow import fields, validate

from portal.api.blueprint import Ids
from portal.search import LIMIT, MOST
from servicekit.wire import WireSchema

_Id = validate.Range(min=1, max=2**63 - 1)


def _ids() -> fields.List[int]:
    return fields.List(
        fields.Integer(strict=True, validate=_Id),
        load_default=list,
        validate=validate.Length(max=5_000),
    )


class SearchIn(WireSchema):
    """What to search for, as the address of the search page has it; ``item.NAME`` as well."""

    type = fields.String(metadata={"description": "name of a dataset type"})
    p = fields.List(
        fields.String(),
        metadata={
            "description": "NAME:operator:value, all must hold; operators eq ne lt le gt ge like "
            "between, the latter with low..high; a colon in NAME has a backslash before it",
            "example": ["channels:ge:2"],
        },
    )
    text = fields.String(metadata={"description": "words in name, description, investigation"})
    investigation = fields.Integer(validate=_Id)
    derived = fields.Integer(
        validate=_Id, metadata={"description": "only what was made from this dataset"}
    )
    origin = fields.Integer(
        validate=_Id, metadata={"description": "only what this dataset was made from"}
    )
    sort = fields.String(
        metadata={"description": "created, name or a parameter; - before it: descending"}
    )
    after = fields.String(metadata={"description": "``next`` of the page before"})
    before = fields.String(metadata={"description": "``previous`` of the page after"})
    limit = fields.Integer(load_default=LIMIT, validate=validate.Range(min=1, max=MOST))
    incomplete = fields.Boolean(load_default=False)


class DatafileSearchIn(SearchIn):
    """What to search for, as the address of the search page for datafiles has it."""

    dataset = fields.Integer(
        validate=_Id, metadata={"description": "only the files of this dataset"}
    )


class ParameterOut(WireSchema):
    """A parameter; its value stands under the name of its kind, too."""

    name = fields.String()
    units = fields.String()
    value = fields.Raw(metadata={"description": "a number, a text, or a moment as text"})
    numeric_value = fields.Float()
    string_value = fields.String()
    date_time_value = fields.String()
    error = fields.Float(metadata={"description": "standard deviation"})


class InvestigationOut(WireSchema):
    """An investigation."""

    id = fields.Integer()
    name = fields.String()
    visit_id = fields.String()
    title = fields.String()


class DatasetOut(WireSchema):
    """A dataset with its parameters."""

    id = fields.Integer()
    name = fields.String()
    type = fields.String()
    description = fields.String(allow_none=True)
    complete = fields.Boolean()
    investigation = fields.Nested(InvestigationOut, allow_none=True)
    create_time = fields.String()
    start_date = fields.String(allow_none=True)
    end_date = fields.String(allow_none=True)
    file_count = fields.Integer(allow_none=True)
    file_size = fields.Integer(allow_none=True)
    parameters = fields.List(fields.Nested(ParameterOut))


class DatasetsOut(WireSchema):
    """A page of datasets; ``next`` is the ``after`` of the next one."""

    datasets = fields.List(fields.Nested(DatasetOut))
    next = fields.String(allow_none=True)
    previous = fields.String(allow_none=True)
    total = fields.Integer()


class PageIn(WireSchema):
    """Which page of a long list."""

    after = fields.Integer(load_default=0, validate=validate.Range(min=0, max=2**63 - 1))
    limit = fields.Integer(load_default=500, validate=validate.Range(min=1, max=5_000))


class DatafileOut(WireSchema):
    """A datafile."""

    id = fields.Integer()
    name = fields.String()
    size = fields.Integer(allow_none=True)
    checksum = fields.String(allow_none=True)
    format = fields.String(allow_none=True)
    description = fields.String(allow_none=True)
    create_time = fields.String()


class DatafilesOut(WireSchema):
    """A page of datafiles."""

    datafiles = fields.List(fields.Nested(DatafileOut))
    next = fields.Integer(allow_none=True)


class DatasetOfFileOut(WireSchema):
    """The dataset of a datafile."""

    id = fields.Integer()
    name = fields.String()
    type = fields.String(allow_none=True)


class FoundDatafileOut(DatafileOut):
    """A datafile with its parameters and what it belongs to."""

    file_create_time = fields.String(allow_none=True)
    file_mod_time = fields.String(allow_none=True)
    dataset = fields.Nested(DatasetOfFileOut, allow_none=True)
    investigation = fields.Nested(InvestigationOut, allow_none=True)
    parameters = fields.List(fields.Nested(ParameterOut))


class FoundDatafilesOut(WireSchema):
    """A page of datafiles; ``next`` is the ``after`` of the next one."""

    datafiles = fields.List(fields.Nested(FoundDatafileOut))
    next = fields.String(allow_none=True)
    previous = fields.String(allow_none=True)
    total = fields.Integer()


class ProvenanceIn(WireSchema):
    """How much of a graph."""

    depth = fields.Integer(
        load_default=3,
        validate=validate.Range(min=0, max=20),
        metadata={"description": "jobs back and forth"},
    )
    expand = fields.List(
        fields.String(), load_default=list, metadata={"example": ["dataset:12", "files:12"]}
    )


class NodeOut(WireSchema):
    """A dataset, datafile, job or application."""

    id = fields.String(metadata={"example": "dataset:12"})
    kind = fields.String()
    label = fields.String()
    detail = fields.String()
    href = fields.String(allow_none=True)
    earlier = fields.Boolean(metadata={"description": "there is more before it"})
    later = fields.Boolean(metadata={"description": "there is more after it"})


class EdgeOut(WireSchema):
    """From what came first."""

    source = fields.String()
    target = fields.String()
    kind = fields.String(metadata={"description": "input, output, contains or ran"})


class GraphOut(WireSchema):
    """What was made from what."""

    nodes = fields.List(fields.Nested(NodeOut))
    edges = fields.List(fields.Nested(EdgeOut))


class SearchablesIn(WireSchema):
    """Of what."""

    entity = fields.String(load_default="Dataset", validate=validate.OneOf(["Dataset", "Datafile"]))


class SearchableOut(WireSchema):
    """Something to search by."""

    key = fields.String(metadata={"description": "the NAME of a condition"})
    name = fields.String()
    units = fields.String()
    kind = fields.String(metadata={"description": "string, numeric or date"})
    operators = fields.List(fields.String())
    values = fields.List(fields.String(), metadata={"description": "all that may occur, if known"})
    description = fields.String()


class SearchablesOut(WireSchema):
    """All there is to search by."""

    parameters = fields.List(fields.Nested(SearchableOut))


class ListOptionOut(WireSchema):
    """One line of a list."""

    display = fields.String()
    value = fields.String()


class SearchItemOut(WireSchema):
    """One of the facility's search lists; chosen values go into ``item.NAME``."""

    name = fields.String()
    multiple_select = fields.Boolean()
    options = fields.List(fields.Nested(ListOptionOut))


class SearchItemsOut(WireSchema):
    """The facility's search lists."""

    search_items = fields.List(fields.Nested(SearchItemOut))


class SelectionIn(WireSchema):
    """Datasets and datafiles, as query parameters."""

    dataset_ids = Ids(load_default=())
    datafile_ids = Ids(load_default=())


class DatasetIdsIn(WireSchema):
    """Datasets, as a query parameter."""

    dataset_ids = Ids(required=True)


class QuantitiesOut(WireSchema):
    """Named quantities: by dataset id, by name."""

    quantities = fields.Dict(keys=fields.String(), values=fields.Dict())


class OptionOut(WireSchema):
    """An option of a job type."""

    key = fields.String(metadata={"description": "what values are given by"})
    name = fields.String()
    group_name = fields.String(allow_none=True)
    type = fields.String()
    program_parameter = fields.List(fields.String())
    values = fields.List(fields.String())
    default_value = fields.String(allow_none=True)
    min_value = fields.Float(allow_none=True)
    max_value = fields.Float(allow_none=True)
    condition = fields.String(allow_none=True)
    tip = fields.String(allow_none=True)


class ResourcesOut(WireSchema):
    """What a job needs; null leaves it to the batch system."""

    cores = fields.Integer(allow_none=True)
    memory_mib = fields.Integer(allow_none=True)
    wall_minutes = fields.Integer(allow_none=True)
    engine = fields.String(
        allow_none=True, metadata={"description": "the batch engine that it would like"}
    )


class JobTypeOut(WireSchema):
    """A job type, and how it fits the selection."""

    name = fields.String()
    help = fields.String(allow_none=True)
    type = fields.String(metadata={"description": "batch or interactive"})
    version = fields.String()
    executable = fields.String()
    family = fields.String(allow_none=True)
    multiple = fields.Boolean()
    force_single_job = fields.Boolean()
    accepts_datasets = fields.Boolean()
    accepts_datafiles = fields.Boolean()
    creates_provenance = fields.Boolean()
    raw_arguments = fields.Boolean()
    dataset_types = fields.List(fields.String())
    job_options = fields.List(fields.Nested(OptionOut))
    resources = fields.Nested(ResourcesOut)
    fits = fields.Boolean()
    reason = fields.String(metadata={"description": "why it does not fit; empty if it does"})


class JobTypesOut(WireSchema):
    """Job types; those that fit come first."""

    job_types = fields.List(fields.Nested(JobTypeOut))


class FormIn(WireSchema):
    """What a form says so far."""

    dataset_ids = _ids()
    datafile_ids = _ids()
    options = fields.Dict(keys=fields.String(), load_default=dict)
    arguments = fields.List(fields.String(), load_default=list)
    arguments_text = fields.String(
        load_default="", metadata={"description": "the same as one text, as one would type it"}
    )
    one_job = fields.Boolean(load_default=None, allow_none=True)
    investigation_id = fields.Integer(load_default=None, allow_none=True, validate=_Id)
    engine = fields.String(
        load_default=None,
        allow_none=True,
        metadata={"description": "the batch engine; best, or none, leaves it to the portal"},
    )


class OfferedOut(WireSchema):
    """An option, and whether it stands on the form."""

    key = fields.String()
    name = fields.String()
    offered = fields.Boolean()
    reason = fields.String(allow_none=True)


class QuestionOut(WireSchema):
    """What must be answered by ``oneJob``."""

    text = fields.String()
    jobs = fields.Integer()
    one_job_possible = fields.Boolean()


class EngineOut(WireSchema):
    """A batch engine, as it looks for what is to be run."""

    name = fields.String()
    fault = fields.String(metadata={"description": "why it cannot run this; empty if it can"})
    words = fields.String(metadata={"description": "what speaks for or against it"})
    minutes = fields.Float(allow_none=True, metadata={"description": "until all is done, about"})


class EstimateOut(WireSchema):
    """Where jobs would go, and about when they would be done."""

    minutes = fields.Float(
        allow_none=True,
        metadata={"description": "until all jobs are done; null if nobody can say"},
    )
    words = fields.String(metadata={"description": "how long one job runs, and what tells that"})
    run_minutes = fields.Float(allow_none=True, metadata={"description": "of one job"})
    low_minutes = fields.Float(allow_none=True)
    high_minutes = fields.Float(allow_none=True)
    runs = fields.Integer(metadata={"description": "how many earlier runs tell it"})
    engine = fields.String(metadata={"description": "where the jobs would go"})
    reason = fields.String(metadata={"description": "why there; empty without a choice"})
    fault = fields.String(metadata={"description": "why no engine can run them"})
    engines = fields.List(fields.Nested(EngineOut), metadata={"description": "the best first"})


class FormOut(WireSchema):
    """What would happen."""

    estimate = fields.Nested(EstimateOut, allow_none=True)

    options = fields.List(fields.Nested(OfferedOut))
    faults = fields.Dict(keys=fields.String(), values=fields.List(fields.String()))
    command = fields.List(fields.String(), metadata={"description": "of the first job"})
    command_line = fields.String()
    jobs = fields.Integer()
    question = fields.Nested(QuestionOut, allow_none=True)
    quantities = fields.Dict(keys=fields.String(), values=fields.Dict())
    investigation_id = fields.Integer(allow_none=True)
    investigations = fields.List(
        fields.Nested(InvestigationOut), metadata={"description": "where results may go"}
    )


class DownloadIn(WireSchema):
    """What to download."""

    dataset_ids = _ids()
    datafile_ids = _ids()
    name = fields.String(
        load_default="",
        validate=validate.Length(max=255),
        metadata={"description": "file name to propose"},
    )


class DownloadOut(WireSchema):
    """How far a download is; once there is an address, whoever has it can download the data."""

    id = fields.String()
    state = fields.String(
        metadata={"description": "PREPARING, RESTORING (from the archive), READY or FAILED"}
    )
    looked = fields.Integer(
        metadata={"description": "how many of the selected datasets and datafiles were looked up"}
    )
    total = fields.Integer(metadata={"description": "how many were selected"})
    files = fields.Integer(metadata={"description": "files in what was looked up"})
    bytes = fields.Integer(metadata={"description": "and what they take"})
    online = fields.Integer(
        allow_none=True,
        metadata={"description": "files that are there; null if the data service does not say"},
    )
    prepared_id = fields.String(allow_none=True)
    url = fields.String(allow_none=True)
    reason = fields.String(metadata={"description": "why it failed, or what it waits for"})

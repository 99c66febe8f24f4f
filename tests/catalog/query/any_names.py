"""Names, constants and signs of which queries are made at random."""

from __future__ import annotations

RELATIONS = {
    "Investigation": ["datasets", "samples"],
    "Sample": ["investigation", "datasets"],
    "Dataset": ["investigation", "sample", "type", "datafiles", "parameters"],
    "Datafile": ["dataset", "datafileFormat"],
    "DatasetParameter": ["dataset", "type"],
}
TARGETS = {
    "datasets": "Dataset",
    "samples": "Sample",
    "investigation": "Investigation",
    "sample": "Sample",
    "type": "",
    "datafiles": "Datafile",
    "parameters": "DatasetParameter",
    "dataset": "Dataset",
    "datafileFormat": "",
}
PATHS: dict[str, dict[str, list[str]]] = {
    "Investigation": {
        "number": ["id", "fileSize"],
        "text": ["name", "summary"],
        "moment": ["startDate"],
        "many": ["datasets", "samples"],
    },
    "Sample": {
        "number": ["id", "investigation.id", "investigation.fileSize"],
        "text": ["name", "pid", "investigation.summary"],
        "moment": ["investigation.startDate"],
        "many": ["datasets", "investigation.datasets"],
        "one": ["investigation"],
    },
    "Dataset": {
        "number": ["id", "fileSize", "sample.id", "type.id", "investigation.fileSize"],
        "text": ["name", "description", "type.name", "sample.name", "sample.pid"],
        "moment": ["startDate", "investigation.startDate"],
        "truth": ["complete"],
        "many": ["datafiles", "parameters", "sample.datasets"],
        "one": ["sample", "investigation", "type", "sample.investigation"],
    },
    "Datafile": {
        "number": ["id", "fileSize", "dataset.fileSize", "datafileFormat.id", "dataset.sample.id"],
        "text": ["name", "description", "datafileFormat.name", "dataset.sample.name"],
        "moment": ["datafileModTime", "dataset.startDate"],
        "truth": ["dataset.complete"],
        "many": ["dataset.parameters", "dataset.sample.datasets"],
        "one": ["dataset", "dataset.sample", "datafileFormat"],
    },
    "DatasetParameter": {
        "number": ["id", "numericValue", "dataset.fileSize"],
        "text": ["stringValue", "type.name", "dataset.name"],
        "moment": ["dateTimeValue"],
        "choice": ["type.valueType"],
        "one": ["dataset", "type", "dataset.sample"],
    },
}
CONSTANTS = {
    "number": ["0", "1", "2", "4", "-1", "0.5", "2.5"],
    "text": ["'a'", "'B'", "''", "'ab'", "'é'", "'a%'", "' a'", ":user"],
    "moment": ["{ts 2026-01-02 00:00:00}", "CURRENT_TIMESTAMP", "CURRENT_DATE"],
    "truth": ["TRUE", "FALSE"],
}
LENIENT = {
    "number": ["'1'", "'2.0'"],
    "text": ["1", "2.5"],
    "moment": ["'2026-01-02'", "'2026-01-02 01:00:00+01:00'"],
    "truth": ["1", "'false'"],
    "choice": ["'string'", "org.icatproject.ParameterValueType.NUMERIC"],
}
PATTERNS = ["'%'", "'a%'", "'_'", "'%b'", "'_%a'", "'A%'", "'$%%' ESCAPE '$'", "'\\%'"]
SIGNS = ["=", "<>", "<", "<=", ">", ">="]

"""Job types from XML: every element and attribute, old files, odd files, hostile files."""

from __future__ import annotations

import hashlib
import os

import pytest

from jobdefs.document import MAX_BYTES
from jobdefs.job_type import JobOption, JobType, Kind, OptionType, RequestedResources
from jobdefs.read import read_job_type

FULL = """<?xml version="1.0" encoding="UTF-8"?>
<jobType family="experts" sessionId="1" icatUrlRequired="true" idsUrlRequired="true"
         acceptsDatasets="true" acceptsDatafiles="1" createsProvenance="true" rawArguments="true">
  <jobOptions>
    <tip>How deep to look.</tip>
    <type>integer</type>
    <name>Depth</name>
    <programParameter>--depth</programParameter>
    <defaultValue send="true">3</defaultValue>
    <minValue>1</minValue>
    <maxValue>1e1</maxValue>
    <condition>numChannels == 3 &amp;&amp; numHdfFiles &gt; 500</condition>
  </jobOptions>
  <jobOptions>
    <name>Red</name>
    <groupName>Channel</groupName>
    <type>boolean</type>
    <programParameter>--channel red</programParameter>
  </jobOptions>
  <jobOptions>
    <name>Method</name>
    <type>enumeration</type>
    <programParameter>-m</programParameter>
    <values/>
    <values>a b</values>
    <values>c</values>
  </jobOptions>
  <datasetTypes>image</datasetTypes>
  <datasetTypes>stack</datasetTypes>
  <resources cores="2" memoryMiB="512" wallMinutes="5" engine="cluster"/>
  <help>Looks.</help>
  <multiple forceSingleJob="true">true</multiple>
  <type>batch</type>
  <executable>/opt/look --quiet</executable>
  <name>Look</name>
</jobType>
"""


def read(write, text):
    file = write("job_types/one.xml", text)
    found = read_job_type(file)
    return found.job_type, [
        (one.severity.value, one.line, one.message, one.advice) for one in found.problems
    ]


def job(inner="", attributes="", name="x"):
    return (
        f"<jobType {attributes}><name>{name}</name><executable>/bin/true</executable>"
        f"<type>batch</type>{inner}</jobType>"
    )


def test_every_element_and_attribute_in_any_order(write):
    """ijp-spec §1.1, req. 50, 103, 114."""
    job_type, problems = read(write, FULL)
    assert problems == []
    assert job_type is not None
    [depth, red, method] = job_type.options
    assert depth.condition is not None
    assert depth == JobOption(
        name="Depth",
        type=OptionType.INTEGER,
        program_parameter=("--depth",),
        default_value="3",
        send_default=True,
        min_value=1.0,
        max_value=10.0,
        condition=depth.condition,
        tip="How deep to look.",
        line=4,
    )
    assert depth.condition.text == "numChannels == 3 && numHdfFiles > 500"
    assert (red.group_name, red.program_parameter) == ("Channel", ("--channel", "red"))
    assert method.values == ("", "a b", "c")
    source = job_type.source
    assert source is not None
    assert job_type == JobType(
        name="Look",
        executable="/opt/look --quiet",
        program=("/opt/look", "--quiet"),
        kind=Kind.BATCH,
        multiple=True,
        force_single_job=True,
        family="experts",
        session_id=True,
        icat_url_required=True,
        ids_url_required=True,
        accepts_datasets=True,
        accepts_datafiles=True,
        creates_provenance=True,
        dataset_types=("image", "stack"),
        options=(depth, red, method),
        version=hashlib.sha256(source.read_bytes()).hexdigest(),
        help="Looks.",
        raw_arguments=True,
        resources=RequestedResources(cores=2, memory_mib=512, wall_minutes=5, engine="cluster"),
        source=source,
    )


def test_everything_that_may_be_absent_has_its_default(write):
    job_type, problems = read(write, job())
    assert problems == []
    assert job_type is not None
    assert job_type.job_only
    assert (job_type.multiple, job_type.family, job_type.options) == (False, None, ())
    assert not job_type.session_id
    assert not job_type.creates_provenance
    assert job_type.resources == RequestedResources()


def test_engine_that_nobody_can_call_so_is_an_error_and_not_used(write):
    job_type, problems = read(write, job('<resources cores="2" engine="a b"/>'))
    assert job_type is not None
    assert job_type.resources == RequestedResources(cores=2)
    assert "engine='a b' is no name of a batch engine" in str(problems)


def test_none_job_only_means_no_data(write):
    job_type, _ = read(write, job("<datasetTypes>none (job only)</datasetTypes>"))
    assert job_type is not None
    assert job_type.job_only
    assert job_type.dataset_types == ()


def test_a_viewer_of_2013_loads_unchanged(write):
    """req. 50, 113; B19: no accepts* attributes, a root of another name, blanks in parameters."""
    job_type, problems = read(
        write,
        """<jobtype xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
                    xsi:noNamespaceSchemaLocation="jobtype.xsd" sessionId="true">
  <name>Viewer for datasets</name>
  <executable>/opt/ijp/bin/viewer.py</executable>
  <multiple>false</multiple>
  <datasetTypes>measurement</datasetTypes>
  <datasetTypes>beads</datasetTypes>
  <type>interactive</type>
  <jobOptions>
    <name>Default</name>
    <groupName>Display</groupName>
    <type>boolean</type>
    <programParameter></programParameter>
  </jobOptions>
  <jobOptions>
    <name>White light</name>
    <groupName>Display</groupName>
    <type>boolean</type>
    <programParameter>--whitelights --no-tracks</programParameter>
    <condition>numWhiteLight &gt; 0</condition>
  </jobOptions>
</jobtype>""",
    )
    assert job_type is not None
    assert job_type.kind is Kind.INTERACTIVE
    assert (job_type.accepts_datasets, job_type.accepts_datafiles) == (True, False)
    assert [one.program_parameter for one in job_type.options] == [
        (),
        ("--whitelights", "--no-tracks"),
    ]
    [(severity, _, message, advice)] = problems
    assert (severity, advice) == ("notice", "add acceptsDatasets='true'")
    assert message.startswith("datasetTypes without acceptsDatasets")


def test_an_ingest_of_2013_loads_unchanged(write):
    job_type, problems = read(
        write,
        '<jobType family="ingest"><name>ingest</name><executable>ingest.py</executable>'
        "<multiple>false</multiple><type>batch</type>"
        "<datasetTypes>none (job only)</datasetTypes></jobType>",
    )
    assert problems == []
    assert job_type is not None
    assert (job_type.family, job_type.program) == ("ingest", ("ingest.py",))


def test_generates_provenance_is_read_as_what_was_meant(write):
    """B1."""
    job_type, problems = read(write, job(attributes='generatesProvenance="true"'))
    assert job_type is not None
    assert job_type.creates_provenance
    assert problems == [
        (
            "warning",
            1,
            "attribute 'generatesProvenance' is an old slip",
            "write createsProvenance",
        )
    ]


def test_what_is_unknown_is_reported_and_passed_over(write):
    """B1."""
    job_type, problems = read(
        write,
        job("\n<colour>red</colour><joboptions/><multiple force='1'>true</multiple>", 'color="1"'),
    )
    assert job_type is not None
    assert job_type.multiple
    messages = {(message, advice) for _, _, message, advice in problems}
    assert ("<joboptions> means nothing in <jobType>", "did you mean 'jobOptions'?") in messages
    assert any(message == "<colour> means nothing in <jobType>" for message, _ in messages)
    assert any("attribute 'color' means nothing" in message for message, _ in messages)
    assert any("attribute 'force' means nothing in <multiple>" in one for one, _ in messages)


@pytest.mark.parametrize(
    ("parameter", "words"),
    [
        ("--depth", ("--depth",)),
        ("--whitelights --no-tracks", ("--whitelights", "--no-tracks")),
        ("--label 'two words'", ("--label", "two words")),
        (r"a\ b \'", ("a b", "'")),
        ("  ", ()),
        ("''", ("",)),
        ("$HOME;`id`", ("$HOME;`id`",)),
    ],
)
def test_a_program_parameter_is_split_into_words(write, option, parameter, words):
    """B5."""
    job_type, _ = read(write, job(option("x", "boolean", parameter)))
    assert job_type is not None
    assert job_type.options[0].program_parameter == words


def test_texts_keep_their_blanks_where_the_program_gets_them(write, option):
    options = option("e", "enumeration", "-e", values=[" a ", "b"], defaultValue=" a ")
    job_type, _ = read(write, job(options, name=" x\n "))
    assert job_type is not None
    assert job_type.name == "x"
    assert (job_type.options[0].values, job_type.options[0].default_value) == ((" a ", "b"), " a ")


@pytest.mark.parametrize(
    ("elements", "fault"),
    [
        ({"condition": "a ="}, "condition 'a =': did not expect '='"),
        ({"minValue": "low"}, "<minValue> 'low' is not a number"),
        ({"maxValue": "1e999"}, "<maxValue> '1e999' is not a number"),
        ({"programParameter": '"open'}, "option 'x': <programParameter> '\"open'"),
    ],
)
def test_a_wrong_option_is_never_offered_and_the_others_are(write, option, elements, fault):
    inner = "".join(f"<{name}>{text}</{name}>" for name, text in elements.items())
    wrong = f"<jobOptions><name>x</name><type>integer</type>{inner}</jobOptions>"
    job_type, problems = read(write, job(wrong + option("y", "boolean", "-y")))
    assert job_type is not None
    assert (job_type.options[0].fault or "").startswith(fault)
    assert job_type.options[1].fault is None
    assert [severity for severity, _, _, _ in problems] == ["error"]


def test_repeated_option_names_get_keys_of_their_own(write, option):
    options = option("x", "boolean", "-x") * 2 + option("x (2)", "boolean", "-x")
    job_type, problems = read(write, job(options))
    assert job_type is not None
    assert [one.key for one in job_type.options] == ["x", "x (2)", "x (2) (2)"]
    assert [one[2] for one in problems] == [
        "option 'x' is there twice",
        "option 'x (2)' is there twice",
    ]


@pytest.mark.parametrize(
    ("text", "line", "message", "advice"),
    [
        ("<jobType>\n<name>x</name></jobType>", 1, "<jobType> has no <executable>", "add"),
        (job().replace("batch", "bath"), 1, "<type> 'bath' is unknown", "write batch or"),
        (
            job("\n<jobOptions><name>x</name><type>bolean</type></jobOptions>"),
            2,
            "option type 'bolean' is unknown",
            "did you mean 'boolean'?",
        ),
        (job().replace("/bin/true", "'/bin/true"), 1, '<executable> "\'/bin/true"', "quote"),
        ("<jobType>\n<name>x</nam></jobType>", 2, "this is not XML", ""),
        ("<jobType><name>\udcff", 1, "this is not XML", ""),
        ("", None, "this is not XML", ""),
        ("<jobType>&nosuch;</jobType>", 1, "this is not XML: Entity 'nosuch' not defined", ""),
    ],
)
def test_what_cannot_be_used_says_line_and_advice(tmp_path, text, line, message, advice):
    file = tmp_path / "one.xml"
    file.write_bytes(text.encode(errors="surrogateescape"))
    found = read_job_type(file)
    assert found.job_type is None
    assert found.problems[-1].severity == "error"
    assert line is None or found.problems[-1].line == line
    assert found.problems[-1].message.startswith(message)
    assert found.problems[-1].advice.startswith(advice)


BOMB = (
    '<!DOCTYPE jobType [<!ENTITY a "aaaaaaaaaa">'
    + "".join(
        f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    + "]>"
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize(
    "head",
    [
        BOMB,
        '<!DOCTYPE jobType [<!ENTITY i SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE jobType SYSTEM "http://127.0.0.1:9/jobType.dtd">',
        '<!DOCTYPE jobType [<!ENTITY % i SYSTEM "file:///etc/passwd"> %i;]>',
    ],
)
def test_entities_are_refused_before_anything_is_fetched(tmp_path, head, encoding):
    """security 12: XML bombs and external entities, in the text and in attributes."""
    file = tmp_path / "one.xml"
    file.write_bytes(f"{head}<jobType family='&i;'><name>&i;</name></jobType>".encode(encoding))
    found = read_job_type(file)
    assert found.job_type is None
    [problem] = found.problems
    assert "<!DOCTYPE …>, which is refused" in problem.message
    assert "root:" not in str(problem)


def test_a_huge_file_is_refused(tmp_path):
    """security 12."""
    file = tmp_path / "one.xml"
    file.write_bytes(b"<jobType>" + b" " * MAX_BYTES + b"</jobType>")
    assert read_job_type(file).problems[0].message == "the file is larger than 1024 KiB"


def test_deep_nesting_is_refused(tmp_path):
    """security 12."""
    file = tmp_path / "one.xml"
    file.write_bytes(b"<a>" * 50_000 + b"</a>" * 50_000)
    assert read_job_type(file).problems[0].message.startswith("this is not XML")


def test_what_is_no_file_is_refused(tmp_path):
    (tmp_path / "folder.xml").mkdir()
    os.mkfifo(tmp_path / "pipe.xml")
    for name in ("folder.xml", "pipe.xml"):
        assert read_job_type(tmp_path / name).problems[0].message == "this is not a file"
    assert "No such file" in read_job_type(tmp_path / "none.xml").problems[0].message


@pytest.mark.parametrize(
    ("executable", "program"),
    [
        ("date", ("date",)),
        ("/bin/date", ("/bin/date",)),
        ("bin/mine", ("{folder}/bin/mine",)),
        ("'/opt/my programs/x' -v", ("/opt/my programs/x", "-v")),
        ("sh -c 'rm $X'", ("sh", "-c", "rm $X")),
    ],
)
def test_an_executable_is_words_of_which_the_first_is_found(write, tmp_path, executable, program):
    """B7."""
    job_type, _ = read(write, job().replace("/bin/true", executable))
    assert job_type is not None
    assert job_type.program == tuple(one.format(folder=tmp_path) for one in program)


@pytest.mark.parametrize("text", ["true", "1", " true\n"])
def test_what_is_true(write, text):
    job_type, problems = read(write, job(f"<multiple>{text}</multiple>"))
    assert job_type is not None
    assert (job_type.multiple, problems) == (True, [])


def test_what_is_neither_true_nor_false_is_reported(write):
    job_type, problems = read(write, job(attributes='sessionId="yes"'))
    assert job_type is not None
    assert not job_type.session_id
    assert problems == [
        ("error", 1, "sessionId='yes' is neither true nor false", "write true or false")
    ]


def test_comments_and_cdata_are_text_as_usual(write):
    text = job("<help>a<!-- b -->c<![CDATA[<d>]]></help>")
    job_type, _ = read(write, text)
    assert job_type is not None
    assert job_type.help == "ac<d>"

"""A folder of definitions that changes while it is used."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from jobdefs import store as store_module
from jobdefs.families import Families
from jobdefs.search_items import SearchItem
from jobdefs.store import DefinitionStore


def job(name, more="", attributes=""):
    return (
        f"<jobType {attributes}><name>{name}</name><executable>/bin/true</executable>"
        f"<type>batch</type>{more}</jobType>"
    )


def quantities(types, **queries):
    return (
        "<jobDatasetType>"
        + "".join(f"<datasetTypes>{one}</datasetTypes>" for one in types)
        + "".join(
            f"<jobDatasetParameter><name>{name}</name><query>{query}</query></jobDatasetParameter>"
            for name, query in queries.items()
        )
        + "</jobDatasetType>"
    )


def items(*names):
    return (
        "<searchItems>"
        + "".join(
            f"<searchItem><paramName>{name}</paramName><query>${{stringValues}}</query>"
            "<listOptions><displayValue>a</displayValue></listOptions></searchItem>"
            for name in names
        )
        + "</searchItems>"
    )


@pytest.fixture
def store(tmp_path, monkeypatch):
    """Looks at its files each time it is asked."""
    monkeypatch.setattr(store_module, "CHECK_SECONDS", 0)
    return DefinitionStore(tmp_path)


def texts(store):
    return [(one.file.name, one.severity.value, one.message) for one in store.problems]


def test_a_whole_folder(write, store):
    """req. 46-49, 113: menus, dataset types, jobs and options come from files."""
    write("job_types/b.xml", job("beta"))
    write("job_types/a.xml", job("Alpha", "<datasetTypes>image</datasetTypes>"))
    write("job_dataset_parameters/i.xml", quantities(["image", "film"], n="${datasetId}"))
    write("dataset_search_items.xml", items("Instrument"))
    write("datafile_search_items.xml", items("Format", "Size"))
    write("families.xml", '<families default="all"><family name="all"/></families>')
    assert list(store.job_types) == ["Alpha", "beta"]
    assert [one.name for one in store.quantities("film")] == ["n"]
    assert store.quantities("none such") == ()
    assert [one.param_name for one in store.dataset_search_items] == ["Instrument"]
    assert [one.param_name for one in store.datafile_search_items] == ["Format", "Size"]
    assert store.families.default == "all"
    assert [one[1] for one in texts(store)] == ["notice"]


def test_an_empty_or_absent_folder_defines_nothing(tmp_path):
    for folder in (tmp_path, tmp_path / "none"):
        found = DefinitionStore(folder).current()
        assert dict(found.job_types) == {}
        assert found.families == Families()
        assert found.problems == ()


def test_changes_appear_by_themselves(write, store, tmp_path):
    """req. 6, 23, 49."""
    file = write("job_types/a.xml", job("a"))
    first = store.job_types["a"]
    assert store.job_types["a"] is first
    write("job_types/b.xml", job("b"))
    assert list(store.job_types) == ["a", "b"]
    assert store.job_types["a"] is first
    file.write_text(job("a", "<help>new</help>"))
    assert store.job_types["a"].help == "new"
    assert store.job_types["a"].version != first.version
    file.unlink()
    assert list(store.job_types) == ["b"]


def test_a_file_put_in_the_place_of_another_is_noticed(write, store, tmp_path):
    file = write("job_types/a.xml", job("a"))
    times = file.stat()
    assert list(store.job_types) == ["a"]
    other = write("job_types/.new", job("b"))
    os.utime(other, ns=(times.st_atime_ns, times.st_mtime_ns))
    other.rename(file)
    assert list(store.job_types) == ["b"]


def test_the_files_are_looked_at_once_a_second(write, tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(store_module.time, "monotonic", lambda: now[0])
    write("job_types/a.xml", job("a"))
    store = DefinitionStore(tmp_path)
    assert list(store.job_types) == ["a"]
    write("job_types/b.xml", job("b"))
    now[0] += 0.9
    assert list(store.job_types) == ["a"]
    now[0] += 0.2
    assert list(store.job_types) == ["a", "b"]


def test_one_bad_file_hides_nothing(write, store):
    """B2, security 27."""
    write("job_types/a.xml", job("a"))
    write("job_types/bad.xml", "<jobType>")
    write("job_dataset_parameters/bad.xml", "<!DOCTYPE x []><x/>")
    write("job_dataset_parameters/good.xml", quantities(["image"], n="${datasetId}"))
    write("dataset_search_items.xml", "")
    assert list(store.job_types) == ["a"]
    assert len(store.quantities("image")) == 1
    assert store.dataset_search_items == ()
    assert [(name, severity) for name, severity, _ in texts(store)] == [
        ("dataset_search_items.xml", "error"),
        ("bad.xml", "error"),
        ("bad.xml", "error"),
    ]


def test_the_last_good_version_stays_in_use(write, store):
    """B2, security 27."""
    good = job("a", "<help>good</help>")
    file = write("job_types/a.xml", good)
    other = write("job_dataset_parameters/q.xml", quantities(["image"], n="${datasetId}"))
    assert store.job_types["a"].help == "good"
    file.write_text(good[:-3])
    other.write_text("<jobDatasetType")
    for _ in range(2):
        assert store.job_types["a"].help == "good"
        assert len(store.quantities("image")) == 1
    assert [(name, severity) for name, severity, _ in texts(store)] == [
        ("q.xml", "error"),
        ("q.xml", "notice"),
        ("a.xml", "error"),
        ("a.xml", "notice"),
    ]
    assert texts(store)[-1][2] == "the version before it stays in use until this is mended"
    file.write_text(job("a", "<help>better</help>"))
    other.write_text(quantities(["image"], n="${datasetId}"))
    assert store.job_types["a"].help == "better"
    assert texts(store) == []


def test_the_later_file_of_one_name_wins(write, store):
    """ijp-spec §1: the key is the name."""
    write("job_types/a.xml", job("x", "<help>first</help>"))
    write("job_types/b.xml", job("x", "<help>second</help>"))
    assert store.job_types["x"].help == "second"
    assert texts(store) == [("b.xml", "warning", "job type 'x' is also in a.xml: this one counts")]


def test_several_files_contribute_to_one_dataset_type(write, store):
    """ijp-spec §1.2, req. 115."""
    write(
        "job_dataset_parameters/a.xml", quantities(["image"], n="1${datasetId}", m="${datasetId}")
    )
    write("job_dataset_parameters/b.xml", quantities(["image", "film"], n="2${datasetId}"))
    assert [(one.name, one.query) for one in store.quantities("image")] == [
        ("n", "2${datasetId}"),
        ("m", "${datasetId}"),
    ]
    assert texts(store) == [("b.xml", "warning", "'n' of 'image' is also in an earlier file")]


def test_the_single_search_file_of_2013_is_read(write, store):
    """ijp-spec §1, req. 113."""
    write("search_items.xml", items("Old"))
    assert [one.param_name for one in store.dataset_search_items] == ["Old"]
    write("dataset_search_items.xml", items("New"))
    assert [one.param_name for one in store.dataset_search_items] == ["New"]


def test_families_that_cannot_be_read_admit_nobody(write, store):
    write("job_types/a.xml", job("a"))
    write("families.xml", "<families>")
    assert not store.families.admits(store.job_types["a"], "simple/root")
    write("families.xml", "<families/>")
    assert store.families.admits(store.job_types["a"], "simple/root")
    write("families.xml", "<families")
    assert store.families.admits(store.job_types["a"], "simple/root")


def test_a_family_that_is_not_defined_is_a_problem(write, store):
    write("job_types/a.xml", job("a", attributes='family="nosuch"'))
    assert texts(store) == [("a.xml", "error", "no family 'nosuch', so nobody may run 'a'")]
    assert not store.families.admits(store.job_types["a"], "simple/root")


def test_hidden_and_other_files_are_passed_over(write, store):
    write("job_types/.a.xml", "<")
    write("job_types/a.xml~", "<")
    write("job_types/notes.txt", "<")
    assert (dict(store.job_types), texts(store)) == ({}, [])


def test_definitions_once_taken_do_not_change(write, store):
    write("job_types/a.xml", job("a"))
    taken = store.current()
    write("job_types/b.xml", job("b"))
    assert list(store.job_types) == ["a", "b"]
    assert list(taken.job_types) == ["a"]
    with pytest.raises(TypeError):
        taken.job_types["c"] = taken.job_types["a"]


def test_several_threads_ask_while_files_change(write, store):
    write("job_types/a.xml", job("a"))
    stop, wrong = threading.Event(), []

    def ask():
        while not stop.is_set():
            if "a" not in store.job_types:
                wrong.append(store.problems)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(40):
        write("job_types/b.xml", job(f"b{number}") if number % 2 else "<")
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert isinstance(store.dataset_search_items, tuple)
    assert [one for one in store.dataset_search_items if not isinstance(one, SearchItem)] == []


def test_a_relative_folder_gives_absolute_programs(write, tmp_path, monkeypatch):
    write("f/job_types/a.xml", job("a").replace("/bin/true", "bin/a"))
    monkeypatch.chdir(tmp_path)
    assert DefinitionStore(Path("f")).job_types["a"].program == (str(tmp_path / "f/bin/a"),)

"""Graphs of what was made from what, as users with different rights see them."""

from __future__ import annotations

import itertools

import pytest

from ijp.catalog import CatalogClient
from ijp.errors import BadRequestError
from portal import provenance_graph
from portal.provenance_graph import Edge, Expansion, Graph, Kind, Node, graph_of
from portal.provenance_picture import HEIGHT, WIDTH, draw, layers

pytestmark = pytest.mark.slow


@pytest.fixture
def portal(make_portal):
    return make_portal(dispatcher=False)


@pytest.fixture
def session(portal):
    client = CatalogClient("http://catalog.embedded/icat", portal.process.http)
    return client.login("simple", {"username": "ana", "password": "ana's own words"})


@pytest.fixture
def run(portal):
    """Records a job: ``run([inputs], [outputs], files=[…])``; gives its id."""
    program = portal.root.create("Application", name="prog", version="1.0", facility={"id": 1})

    def run(inputs, outputs, files=()):
        def collection(datasets, datafiles=()):
            return portal.root.create(
                "DataCollection",
                dataCollectionDatasets=[{"dataset": {"id": id}} for id in datasets],
                dataCollectionDatafiles=[{"datafile": {"id": id}} for id in datafiles],
            )

        return portal.root.create(
            "Job",
            application={"id": program},
            inputDataCollection={"id": collection(inputs, files)},
            outputDataCollection={"id": collection(outputs)},
        )

    return run


@pytest.fixture
def chain(portal, run):
    """raw → a → b → c, where b is made from a file of a; and d also from raw."""
    ids = {name: portal.dataset(name, investigation="A") for name in ("raw", "a", "b", "c", "d")}
    (file,) = portal.root.search(f"SELECT f.id FROM Datafile f WHERE f.dataset.id = {ids['a']}")
    ids["file"] = file
    ids["j1"] = run([ids["raw"]], [ids["a"]])
    ids["j2"] = run([], [ids["b"]], files=[file])
    ids["j3"] = run([ids["b"]], [ids["c"]])
    ids["j4"] = run([ids["raw"]], [ids["d"]])
    return ids


def labels(graph: Graph, kind: Kind) -> set[str]:
    return {node.label for node in graph.nodes.values() if node.kind is kind}


def test_a_chain_is_followed_to_its_ends(session, chain):
    """req. 13, 127"""
    id = chain
    assert provenance_graph.ancestors(session, id["c"]) == (id["b"], id["a"], id["raw"])
    assert provenance_graph.ancestors(session, id["raw"]) == ()
    assert provenance_graph.descendants(session, id["raw"]) == (id["a"], id["d"], id["b"], id["c"])
    assert provenance_graph.descendants(session, id["c"]) == ()


def test_derived_data_can_be_searched_for(portal, chain):
    """req. 127"""
    found = portal.user().datasets(derived=str(chain["a"]), sort="name")["datasets"]
    assert [one["name"] for one in found] == ["b", "c"]
    found = portal.user().datasets(origin=str(chain["b"]), sort="name")["datasets"]
    assert [one["name"] for one in found] == ["a", "raw"]


def test_a_graph_has_datasets_files_jobs_and_applications(session, chain):
    """req. 124, 125"""
    graph = graph_of(session, chain["b"], Expansion(depth=1))
    assert labels(graph, Kind.DATASET) == {"a", "b", "c"}
    assert labels(graph, Kind.DATAFILE) == {"a.txt"}
    assert labels(graph, Kind.APPLICATION) == {"prog"}
    id = {name: f"dataset:{chain[name]}" for name in "abc"}
    file, j2, j3 = f"datafile:{chain['file']}", f"job:{chain['j2']}", f"job:{chain['j3']}"
    edges = {(edge.source, edge.target, edge.kind) for edge in graph.edges if edge.kind != "ran"}
    assert edges == {
        (id["a"], file, "contains"),
        (file, j2, "input"),
        (j2, id["b"], "output"),
        (id["b"], j3, "input"),
        (j3, id["c"], "output"),
    }
    a = graph.nodes[id["a"]]
    assert (a.earlier, a.later) == (True, False)
    assert not any((node.earlier or node.later) for node in graph.nodes.values() if node != a)


def test_a_graph_is_expanded_both_ways_until_there_is_no_more(session, chain):
    """req. 126"""
    expansion = Expansion(depth=0)
    shown: list[set[str]] = []
    while True:
        graph = graph_of(session, chain["c"], expansion)
        shown.append(labels(graph, Kind.DATASET))
        open_ends = [node for node in graph.nodes.values() if node.earlier or node.later]
        if not open_ends:
            break
        for node in open_ends:
            expansion = expansion.with_one("dataset", node.number)
        expansion = Expansion.parse(expansion.texts(), 0)
    assert shown == [
        {"c"},
        {"c", "b"},
        {"c", "b", "a"},
        {"c", "b", "a", "raw"},
        set("abcd") | {"raw"},
    ]


def test_files_of_a_dataset_are_shown_on_demand(portal, session, chain):
    """req. 125"""
    two = portal.dataset("two", files={"x.txt": b"1", "y.txt": b"2"})
    assert labels(graph_of(session, two), Kind.DATAFILE) == set()
    graph = graph_of(session, two, Expansion.parse([f"files:{two}"]))
    assert labels(graph, Kind.DATAFILE) == {"x.txt", "y.txt"}


def test_what_a_user_may_not_see_is_not_in_the_graph(portal, session, run):
    """req. 2, 3"""
    secret = portal.dataset("secret", investigation="C")
    mine = portal.dataset("mine", investigation="A")
    run([secret], [mine])
    graph = graph_of(session, mine)
    assert labels(graph, Kind.DATASET) == {"mine"}
    assert provenance_graph.ancestors(session, mine) == ()


def test_many_inputs_stand_together_until_opened(portal, session, run):
    ids = [portal.dataset(f"d{number:02}", files={}) for number in range(20)]
    sheet = portal.dataset("sheet", files={})
    job = run(ids, [sheet])
    graph = graph_of(session, sheet)
    (more,) = [node for node in graph.nodes.values() if node.kind is Kind.MORE]
    assert more.number + len(labels(graph, Kind.DATASET)) == 21
    opened = graph_of(session, sheet, Expansion.parse([f"job:{job}"]))
    assert len(labels(opened, Kind.DATASET)) == 21
    # The chain itself is never hidden: seen from one input, that input is there.
    assert "d17" in labels(graph_of(session, ids[17]), Kind.DATASET)


def test_a_job_that_added_to_its_input_is_no_circle(session, portal, run):
    """req. 92"""
    id = portal.dataset("augmented")
    job = run([id], [id])
    graph = graph_of(session, id)
    assert [edge for edge in graph.edges if edge.kind != "ran"] == [
        Edge(f"dataset:{id}", f"job:{job}", "input")
    ]
    assert provenance_graph.descendants(session, id) == ()


@pytest.mark.parametrize("text", ["dataset", "dataset:x", "user:1", "dataset:-1", "job:1;2"])
def test_what_cannot_be_expanded_is_refused(text):
    with pytest.raises(BadRequestError, match="expand takes dataset:12"):
        Expansion.parse([text])


def graph_from(*pairs: str) -> Graph:
    """A graph of nodes with one letter: ``ab`` is an edge from a to b."""
    graph = Graph("a")
    for pair in pairs:
        for id in pair:
            graph.nodes.setdefault(id, Node(id, Kind.DATASET, id))
    for source, target in pairs:
        graph.edges[Edge(source, target, "input")] = None
    return graph


def test_layers_follow_what_was_first():
    assert layers(graph_from("ab", "bc", "ac", "xc")) == {"a": 0, "b": 1, "c": 2, "x": 1}


def test_a_circle_and_a_long_chain_can_be_drawn():
    assert set(layers(graph_from("ab", "bc", "ca"))) == set("abc")
    letters = [chr(0x4E00 + number) for number in range(3000)]
    chain = graph_from(*(a + b for a, b in itertools.pairwise(letters)))
    assert list(layers(chain).values()) == list(range(3000))


def test_boxes_do_not_overlap():
    pairs = [f"a{x}" for x in "bcdefg"] + [f"{x}z" for x in "bcdefg"] + ["dq", "eq", "qz"]
    boxes = draw(graph_from(*pairs)).boxes
    for one in boxes:
        for other in boxes:
            apart = abs(one.x - other.x) >= WIDTH or abs(one.y - other.y) >= HEIGHT
            assert one is other or apart, (one, other)

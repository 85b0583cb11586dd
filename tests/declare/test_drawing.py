"""Pictures of models: nothing overlaps, nothing is clipped, plates hold what is theirs."""

from __future__ import annotations

import itertools

import networkx as nx
import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from probgen.declare.dependencies.graph import graph_of
from probgen.declare.drawing import layers as drawing_layers
from probgen.declare.drawing.draw import draw
from probgen.declare.drawing.layers import layered
from probgen.declare.drawing.plates import clusters_of
from probgen.declare.drawing.rows import rows_of
from probgen.declare.modelfile import load_model
from probgen.declare.network import Network
from probgen.errors import DataError, ModelError
from tests.inference.graphical.awkward import AWKWARD, bayesian, grid, markov

ZOO = ("eight_schools", "item_response", "varying_slopes", "stochastic_volatility", "funnel")


def crossed():
    mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    persons, items = pyro.plate("person", 20, dim=-2), pyro.plate("item", 5, dim=-1)
    with persons:
        theta = pyro.sample("theta", dist.Normal(mu, 1.0))
    with items:
        a = pyro.sample("a", dist.LogNormal(0.0, 1.0))
        b = pyro.sample("b", dist.Normal(0.0, 1.0))
    with persons, items:
        pyro.sample("y", dist.Bernoulli(logits=a * (theta - b)), obs=torch.ones(20, 5))


def nested():
    mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    with pyro.plate("country_of_residence", 3, dim=-3):
        c = pyro.sample("country", dist.Normal(mu, 1.0))
        with pyro.plate("school", 4, dim=-2):
            e = pyro.sample("school_effect", dist.Normal(c, 1.0))
            s = pyro.sample("scale", dist.HalfNormal(1.0))
            with pyro.plate("pupil", 5, dim=-1):
                pyro.sample("score", dist.Normal(e + mu, s), obs=torch.zeros(3, 4, 5))


def three_ways():
    planes = [pyro.plate(name, 2, dim=-k - 1) for k, name in enumerate("abc")]
    for one, two in itertools.combinations(range(3), 2):
        with planes[one], planes[two]:
            pyro.sample(f"x{one}{two}", dist.Normal(0.0, 1.0))
    for k in range(3):
        with planes[k]:
            pyro.sample(f"y{k}", dist.Normal(0.0, 1.0))


def branch():
    b = pyro.sample("b", dist.Bernoulli(0.5))
    z = pyro.sample("u" if b else "v", dist.Normal(0.0, 1.0))
    pyro.factor("penalty", -(z**2))
    pyro.sample("dollars_$x^2$_of_a_very_long_name", dist.Normal(b.item(), 1.0))


def empty():
    pass


PROGRAMS = {program.__name__: program for program in (crossed, nested, three_ways, branch, empty)}


def rectangles(figure, zorder: float) -> list[tuple[float, float, float, float]]:
    """(x0, y0, x1, y1) of frames: 3 for nodes, 1 for plates."""
    return [
        (p.get_x(), p.get_y(), p.get_x() + p.get_width(), p.get_y() + p.get_height())
        for p in figure.axes[0].patches
        if isinstance(p, FancyBboxPatch) and p.get_zorder() == zorder
    ]


def overlap(a, b) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def holds(outer, inner, slack: float = 1e-6) -> bool:
    return (
        outer[0] - slack <= inner[0]
        and outer[1] - slack <= inner[1]
        and inner[2] <= outer[2] + slack
        and inner[3] <= outer[3] + slack
    )


def faults(figure) -> list[str]:
    """What is wrong with a drawing: overlaps, clipped text, edges through nodes."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    axes = figure.axes[0]
    found = []
    nodes = rectangles(figure, 3)
    found += ["nodes overlap" for a, b in itertools.combinations(nodes, 2) if overlap(a, b)]
    texts = []
    for text in axes.texts:
        box = text.get_window_extent(renderer).transformed(axes.transData.inverted())
        texts.append((text.get_text(), (box.x0, box.y0, box.x1, box.y1)))
    (x0, x1), (y0, y1) = axes.get_xlim(), axes.get_ylim()
    for text, box in texts:
        if not holds((x0, y0, x1, y1), box):
            found.append(f"{text!r} is clipped")
        touched = [node for node in nodes if overlap(node, box)]
        if touched and not (len(touched) == 1 and holds(touched[0], box, 0.02)):
            found.append(f"{text!r} leaves its frame")
    for (one, a), (two, b) in itertools.combinations(texts, 2):
        inner = (a[0], a[1] + 0.02, a[2], a[3] - 0.02)
        if overlap(inner, b):
            found.append(f"{one!r} is on {two!r}")
    for patch in axes.patches:
        if isinstance(patch, FancyArrowPatch):
            points = patch._path_original.interpolated(40).vertices[20:-20]
            for node in nodes:
                core = (node[0] + 0.03, node[1] + 0.03, node[2] - 0.03, node[3] - 0.03)
                if any(core[0] < x < core[2] and core[1] < y < core[3] for x, y in points):
                    found.append("an edge runs through a node")
    return found


@pytest.mark.parametrize("name", ZOO)
def test_zoo_models_are_drawn_without_faults(name):
    model = load_model(name)
    graph = graph_of(model.program, model.data)
    figure = draw(graph)
    assert faults(figure) == []
    assert len(rectangles(figure, 3)) == len(graph)


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_are_drawn_without_faults(name):
    assert faults(draw(PROGRAMS[name])) == []


@pytest.mark.parametrize("name", AWKWARD)
def test_networks_are_drawn_without_faults(name):
    assert faults(draw(AWKWARD[name])) == []


@pytest.mark.parametrize("seed", range(4))
def test_random_networks_are_drawn_without_faults(seed):
    rng = np.random.default_rng(seed)
    nodes = 35
    parents = [
        tuple(int(p) for p in rng.choice(v, min(v, int(rng.integers(0, 4))), replace=False))
        for v in range(nodes)
    ]
    assert faults(draw(bayesian([2] * nodes, parents, seed, "random"))) == []


@pytest.mark.parametrize("name", ["asia", "alarm", "win95pts"])
def test_bundled_networks_are_drawn_without_faults(name):
    from probgen.declare.networks.bundled import load_bundled

    assert faults(draw(load_bundled(name))) == []


def test_faults_are_noticed(monkeypatch):
    monkeypatch.setattr(drawing_layers, "_keep_apart", lambda *_: None)
    star = bayesian([2] * 5, [(), (0,), (0,), (0,), (0,)], 0, "star")
    assert "nodes overlap" in faults(draw(star))


def plate_faults(program) -> list[str]:
    """Plates that do not hold their sites, or hold others' sites."""
    graph = graph_of(program)
    plates = {name: graph.nodes[name]["plates"] for name in graph}
    sizes = dict.fromkeys(graph, (0.8, 0.4))
    layout = layered(graph, sizes, plates, dict.fromkeys(graph.graph["sizes"], 0.9))
    found = []
    for plate, *corners in layout.boxes:
        for name, (x, y) in layout.places.items():
            box = (x - 0.4, y - 0.2, x + 0.4, y + 0.2)
            if plate in plates[name] and not holds(corners, box):
                found.append(f"{name} sticks out of {plate}")
            if plate not in plates[name] and overlap(corners, box):
                found.append(f"{name} is in {plate}")
        if corners[2] - corners[0] < 0.9:
            found.append(f"{plate} is narrower than its name")
    return found


@pytest.mark.parametrize("name", ["crossed", "nested", "three_ways"])
def test_plates_hold_their_sites_and_no_others(name):
    assert plate_faults(PROGRAMS[name]) == []


@pytest.mark.parametrize("name", ZOO)
def test_plates_of_zoo_models(name):
    model = load_model(name)
    assert plate_faults(lambda: model.program(**model.data)) == []


def test_crossing_plates_each_have_a_box():
    plates = {"theta": ["person"], "a": ["item"], "y": ["person", "item"], "mu": []}
    _, boxes, left = clusters_of(plates)
    assert {box.plate for box in boxes} == {"person", "item"}
    assert all(len(box.covers) == 2 for box in boxes)
    assert not any(left.values())


def test_plates_that_cross_too_often_are_written_into_their_sites():
    figure = draw(three_ways)
    boxed = {text.get_text() for text in figure.axes[0].texts}
    assert sum(f"{name} (2)" in boxed for name in "abc") == 2
    assert sum(text.startswith("[") for text in boxed) == 1


def test_nested_plates_have_nested_boxes():
    figure = draw(nested)
    boxes = sorted(rectangles(figure, 1), key=lambda box: box[0])
    assert len(boxes) == 3
    assert holds(boxes[0], boxes[1])
    assert holds(boxes[1], boxes[2])


def test_kinds_show():
    figure = draw(branch)
    styles = [p.get_linestyle() for p in figure.axes[0].patches if isinstance(p, FancyBboxPatch)]
    assert styles.count(":") == 2
    notes = " ".join(text.get_text() for text in figure.axes[0].texts)
    assert "Dashed edges" in notes
    assert "Dotted frames" in notes
    model = load_model("eight_schools")
    figure = draw(model.program, data=model.data)
    frames = [p for p in figure.axes[0].patches if p.get_zorder() == 3]
    assert sum(p.get_linestyle() == "--" for p in frames) == 1
    assert len({p.get_facecolor() for p in frames}) == 3
    texts = {text.get_text() for text in figure.axes[0].texts}
    assert {"school (8)", "HalfCauchy", "theta_raw"} <= texts


def test_evidence_is_written_into_its_variable():
    figure = draw(AWKWARD["xor"], data={"c": "yes"})
    assert "= yes" in {text.get_text() for text in figure.axes[0].texts}


def test_parents_stand_above_their_children_and_roots_near_theirs():
    graph = nx.DiGraph([("mu", "theta"), ("tau", "theta"), ("theta", "y"), ("sigma", "y")])
    rows = rows_of(graph)
    assert rows == {"mu": 0, "tau": 0, "theta": 1, "sigma": 1, "y": 2}


def test_a_lattice_is_drawn_as_one():
    figure = draw(grid(5, 5, 0.5, 0.3))
    nodes = np.array(rectangles(figure, 3))
    assert len(np.unique(nodes[:, 0].round(6))) == 5
    assert len(np.unique(nodes[:, 1].round(6))) == 5
    squares = [p for p in figure.axes[0].patches if not isinstance(p, FancyBboxPatch)]
    assert len(squares) == 25 + 40


def test_every_factor_has_a_square_of_its_own():
    figure = draw(AWKWARD["duplicated"])
    squares = [p for p in figure.axes[0].patches if not isinstance(p, FancyBboxPatch)]
    spots = {(round(p.get_x(), 3), round(p.get_y(), 3)) for p in squares}
    assert len(spots) == 4


def test_large_networks_are_compact_and_say_so():
    rng = np.random.default_rng(0)
    edges = [(int(rng.integers(0, v)), v) for v in range(1, 200)]
    figure = draw(markov([2] * 203, edges, 0, "large"))
    notes = " ".join(text.get_text() for text in figure.axes[0].texts)
    assert "203 variables, 199 edges: too many to name" in notes
    assert max(figure.get_size_inches()) < 30
    assert not [fault for fault in faults(figure) if "clipped" in fault]


def test_cyclic_graphs_can_be_drawn():
    assert faults(draw(nx.DiGraph([("a", "b"), ("b", "c"), ("c", "a")]))) == []


def test_pictures_are_written(tmp_path):
    for ending, head in (("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")):
        path = tmp_path / f"coin.{ending}"
        draw(AWKWARD["xor"], path)
        assert path.read_bytes().startswith(head)


@pytest.mark.parametrize("name", ["missing/coin.png", "coin.docx"])
def test_paths_that_cannot_be_written(tmp_path, name):
    with pytest.raises(DataError, match="cannot be written"):
        draw(AWKWARD["xor"], tmp_path / name)


def test_what_cannot_be_drawn():
    with pytest.raises(ModelError, match="must be a Pyro program"):
        draw(3)


def test_a_network_without_variables():
    assert "No variables." in {text.get_text() for text in draw(Network((), (), ())).axes[0].texts}

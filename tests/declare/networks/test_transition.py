"""Declarations of Markov chains: matrices, DataFrames, pgmpy; every malformed one is named."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from probgen.declare.networks.transition import TransitionModel, read_transition
from probgen.errors import DataError, ModelError, TooLargeError

WEATHER = np.array([[0.9, 0.1], [0.5, 0.5]])


def test_matrix_names_and_initial_law():
    model = TransitionModel(WEATHER, ("dry", "wet"), {"wet": 1.0})
    assert model.size == 2
    assert model.names == ("dry", "wet")
    assert model.index("wet") == 1
    np.testing.assert_array_equal(model.initial, [0, 1])
    np.testing.assert_allclose(model.dense, WEATHER)
    assert model.row("dry") == pytest.approx({"dry": 0.9, "wet": 0.1})
    assert TransitionModel(WEATHER).names == (0, 1)


def test_the_users_array_is_not_touched():
    given = np.array([[0.333, 0.333, 0.333]] * 3)
    model = TransitionModel(given)
    assert given[0, 0] == 0.333
    np.testing.assert_allclose(model.dense.sum(axis=1), 1)


def test_sparse_stays_sparse():
    model = TransitionModel(sparse.coo_array(WEATHER), ("dry", "wet"))
    assert sparse.issparse(model.matrix)
    np.testing.assert_allclose(model.dense, WEATHER)
    assert model.csr.nnz == 4


def test_data_frame_names_its_states_in_any_order():
    frame = pd.DataFrame(WEATHER, index=["dry", "wet"], columns=["dry", "wet"])
    shuffled = frame.loc[:, ["wet", "dry"]]
    for each in (frame, shuffled):
        model = TransitionModel(each)
        assert model.names == ("dry", "wet")
        np.testing.assert_allclose(model.dense, WEATHER)
    other = TransitionModel(frame, states=("wet", "dry"))
    np.testing.assert_allclose(other.dense, WEATHER[::-1, ::-1])
    with pytest.raises(ModelError, match="name the same states"):
        TransitionModel(pd.DataFrame(WEATHER, index=["a", "b"], columns=["a", "c"]))
    with pytest.raises(ModelError, match="are not those of the DataFrame"):
        TransitionModel(frame, states=("dry", "snow"))


@pytest.mark.parametrize("kind", [np.array, sparse.csr_array])
def test_malformed_rows_are_named(kind):
    states = ("a", "b")
    with pytest.raises(ModelError, match=r"row of 'b' sums to 0.7.*transposed"):
        TransitionModel(kind(np.array([[1.0, 0.0], [0.5, 0.2]])), states)
    with pytest.raises(ModelError, match="row of 'b' holds a negative"):
        TransitionModel(kind(np.array([[1.0, 0.0], [-0.5, 1.5]])), states)
    with pytest.raises(ModelError, match="row of 'a' holds NaN"):
        TransitionModel(kind(np.array([[np.nan, 1.0], [0.5, 0.5]])), states)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.ones((2, 3)) / 3,), "is square"),
        ((np.zeros((0, 0)),), "is square"),
        ((WEATHER, ("a",)), "1 states are named; the matrix has 2 rows"),
        ((WEATHER, ("a", "a")), "'a' is named twice"),
        ((WEATHER, ("a", "b"), [0.5, 0.4]), "sums to 0.9"),
        ((WEATHER, ("a", "b"), [1.5, -0.5]), "least entry is -0.5"),
        ((WEATHER, ("a", "b"), [1.0]), "has shape"),
        ((WEATHER, ("a", "b"), {"c": 1.0}), "initial names 'c'"),
    ],
)
def test_other_malformed_declarations(arguments, message):
    with pytest.raises(ModelError, match=message):
        TransitionModel(*arguments)


def test_unknown_state():
    with pytest.raises(DataError, match="no state 'snow'; its states are 'dry', 'wet'"):
        TransitionModel(WEATHER, ("dry", "wet")).index("snow")


@pytest.fixture(scope="module")
def chain():
    from pgmpy.models import MarkovChain

    model = MarkovChain(["x", "y"], [2, 3])
    model.add_transition_model("x", {0: {0: 0.9, 1: 0.1}, 1: {0: 0.5, 1: 0.5}})
    model.add_transition_model(
        "y", np.array([[0.1, 0.5, 0.4], [0.2, 0.2, 0.6], [0.7, 0.15, 0.15]])
    )
    return model


def test_pgmpy_chain(chain):
    from pgmpy.factors.discrete import State

    one = read_transition(chain, "x")
    np.testing.assert_allclose(one.dense, WEATHER)
    assert one.initial is None
    both = read_transition(chain)
    assert both.size == 6
    assert both.names[4] == (1, 1)
    there = both.dense[both.index((0, 2)), both.index((1, 0))]
    assert there == pytest.approx(0.1 * 0.7)
    chain.set_start_state([State("y", 2), State("x", 1)])
    np.testing.assert_array_equal(np.flatnonzero(read_transition(chain).initial), [5])
    np.testing.assert_array_equal(read_transition(chain, "y").initial, [0, 0, 1])


def test_pgmpy_chain_that_cannot_be_read(chain):
    from pgmpy.models import MarkovChain

    with pytest.raises(ModelError, match="no variable 'z'"):
        read_transition(chain, "z")
    with pytest.raises(ModelError, match="has no variables"):
        read_transition(MarkovChain())
    with pytest.raises(ModelError, match="'a' has no transition model"):
        read_transition(MarkovChain(["a"], [2]))
    wide = MarkovChain(["a", "b"], [100, 100])
    with pytest.raises(TooLargeError, match="10000 joint states"):
        read_transition(wide)

"""Laws of small networks by brute force, comparable across orders of variables and states."""

from __future__ import annotations

import itertools

import numpy as np

from probgen.declare.network import Network
from probgen.targets.factors import condition
from tests.inference.graphical.awkward import Truth, brute_force


def truth(network: Network) -> Truth:
    return brute_force(condition(network))


def joint_by_name(network: Network) -> dict[tuple, float]:
    """Probability of each joint state, whatever the order of variables and states."""
    joint = truth(network).joint
    order = sorted(range(len(network.names)), key=lambda v: str(network.names[v]))
    return {
        tuple(str(network.states[v][index[v]]) for v in order): float(joint[index])
        for index in itertools.product(*(range(c) for c in joint.shape))
    }


def assert_same_law(a: Network, b: Network) -> None:
    one, two = joint_by_name(a), joint_by_name(b)
    assert one.keys() == two.keys()
    np.testing.assert_allclose([one[k] for k in one], [two[k] for k in one], atol=1e-12)

import numpy as np
import pytest
import torch

from probgen.errors import DataError, OptionError
from probgen.nets.extractors import Classifier, RandomFeatures
from probgen.nets.extractors.classifier import ClassifierNetwork


def test_random_features_are_the_same_for_a_seed_and_have_no_say_in_the_generator():
    state = torch.get_rng_state()
    x = torch.rand(30, 8, 8)
    first, again, other = RandomFeatures(), RandomFeatures(), RandomFeatures(seed=1)
    assert torch.equal(first.features(x), again.features(x))
    assert first.hash == again.hash != other.hash
    assert first.features(x).shape == (30, 64)
    torch.set_rng_state(state)
    torch.rand(30, 8, 8)
    after = torch.get_rng_state()
    torch.set_rng_state(state)
    RandomFeatures(channels=0, width=5)
    torch.rand(30, 8, 8)
    assert torch.equal(torch.get_rng_state(), after)


def test_batches_change_nothing():
    x = torch.rand(30, 3, 16, 16)
    whole = RandomFeatures(channels=3)
    small = RandomFeatures(channels=3)
    small.batch = 7
    torch.testing.assert_close(whole.features(x), small.features(x.numpy()))


def test_random_features_of_vectors_and_of_the_wrong_shape():
    assert RandomFeatures(channels=0, width=5, features=12).features(np.ones((4, 5))).shape == (
        4,
        12,
    )
    with pytest.raises(DataError, match=r"random convolutional .* not \(4, 5\)"):
        RandomFeatures().features(np.ones((4, 5)))
    with pytest.raises(OptionError, match="features=1"):
        RandomFeatures(features=1)


def test_the_digest_sees_one_weight():
    network = ClassifierNetwork((8, 8), 10)
    before = Classifier(network, 0.5, np.arange(10)).hash
    with torch.no_grad():
        network.head[1].bias[0] += 1e-6
    assert Classifier(network, 0.5, np.arange(10)).hash != before


def test_a_classifier_refuses_another_scale_and_another_shape():
    network = ClassifierNetwork((8, 8), 10)
    network.lowest.fill_(-1.0)
    network.highest.fill_(1.0)
    found = Classifier(network, 0.5, np.arange(10))
    assert found.features(torch.zeros(3, 64)).shape == (3, 64)
    with pytest.raises(DataError, match="values from 0 to 16 where it was trained on -1 to 1"):
        found.features(torch.arange(17.0)[:, None, None].expand(17, 8, 8))
    with pytest.raises(DataError, match=r"shape \(8, 8\), not \(28, 28\)"):
        found.features(torch.zeros(3, 28, 28))
    assert found.probabilities(torch.zeros(3, 8, 8)).sum(dim=1).tolist() == pytest.approx([1] * 3)

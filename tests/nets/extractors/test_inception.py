"""The structure of the network behind FIDs, without its weights."""

import os

import pytest
import torch
from safetensors.torch import save_file

from probgen.errors import DataError, OptionError
from probgen.nets.extractors import Inception
from probgen.nets.extractors.inception_network import InceptionNetwork

# Some entries of the published state dictionary, one or more of every block.
KNOWN = {
    "Conv2d_1a_3x3.conv.weight": (32, 3, 3, 3),
    "Conv2d_1a_3x3.bn.running_var": (32,),
    "Conv2d_2a_3x3.conv.weight": (32, 32, 3, 3),
    "Conv2d_2b_3x3.conv.weight": (64, 32, 3, 3),
    "Conv2d_3b_1x1.conv.weight": (80, 64, 1, 1),
    "Conv2d_4a_3x3.conv.weight": (192, 80, 3, 3),
    "Mixed_5b.branch1x1.conv.weight": (64, 192, 1, 1),
    "Mixed_5b.branch5x5_1.conv.weight": (48, 192, 1, 1),
    "Mixed_5b.branch5x5_2.conv.weight": (64, 48, 5, 5),
    "Mixed_5b.branch_pool.conv.weight": (32, 192, 1, 1),
    "Mixed_5c.branch3x3dbl_1.conv.weight": (64, 256, 1, 1),
    "Mixed_5d.branch3x3dbl_3.conv.weight": (96, 96, 3, 3),
    "Mixed_5d.branch_pool.conv.weight": (64, 288, 1, 1),
    "Mixed_6a.branch3x3.conv.weight": (384, 288, 3, 3),
    "Mixed_6a.branch3x3dbl_2.conv.weight": (96, 64, 3, 3),
    "Mixed_6b.branch7x7_2.conv.weight": (128, 128, 1, 7),
    "Mixed_6b.branch7x7_3.conv.weight": (192, 128, 7, 1),
    "Mixed_6c.branch7x7dbl_2.conv.weight": (160, 160, 7, 1),
    "Mixed_6d.branch7x7dbl_3.conv.weight": (160, 160, 1, 7),
    "Mixed_6e.branch7x7dbl_5.conv.weight": (192, 192, 1, 7),
    "Mixed_7a.branch3x3_2.conv.weight": (320, 192, 3, 3),
    "Mixed_7a.branch7x7x3_2.conv.weight": (192, 192, 1, 7),
    "Mixed_7a.branch7x7x3_4.conv.weight": (192, 192, 3, 3),
    "Mixed_7b.branch1x1.conv.weight": (320, 1280, 1, 1),
    "Mixed_7b.branch3x3_2a.conv.weight": (384, 384, 1, 3),
    "Mixed_7b.branch3x3_2b.conv.weight": (384, 384, 3, 1),
    "Mixed_7c.branch3x3dbl_1.conv.weight": (448, 2048, 1, 1),
    "Mixed_7c.branch3x3dbl_3b.conv.weight": (384, 384, 3, 1),
    "Mixed_7c.branch_pool.bn.bias": (192,),
    "fc.weight": (1008, 2048),
    "fc.bias": (1008,),
}


@pytest.fixture(scope="module")
def weights():
    torch.manual_seed(0)
    return InceptionNetwork().state_dict()


def test_names_shapes_and_their_number_are_the_published_ones(weights):
    assert {name: tuple(weights[name].shape) for name in KNOWN} == KNOWN
    convolutions = [name for name in weights if name.endswith("conv.weight")]
    assert len(convolutions) == 94
    count = sum(p.numel() for p in InceptionNetwork().parameters())
    # of Inception-v3 with 1000 classes, and 8 more classes
    assert count == 23_834_568 + 8 * 2049


def test_maps_have_the_published_sizes():
    sizes = {}
    network = InceptionNetwork().eval()
    for name, part in network.named_children():
        part.register_forward_hook(
            lambda _, __, out, name=name: sizes.update({name: tuple(out.shape[1:])})
        )
    with torch.no_grad():
        features, logits = network(torch.zeros(1, 3, 299, 299))
    assert (features.shape, logits.shape) == ((1, 2048), (1, 1008))
    assert sizes["Conv2d_2b_3x3"] == (64, 147, 147)
    assert sizes["Conv2d_4a_3x3"] == (192, 71, 71)
    assert sizes["Mixed_5d"] == (288, 35, 35)
    assert sizes["Mixed_6e"] == (768, 17, 17)
    assert sizes["Mixed_7c"] == (2048, 8, 8)


def test_weights_are_read_and_images_brought_to_size(weights, tmp_path):
    file = tmp_path / "inception.safetensors"
    save_file({n: w for n, w in weights.items() if "num_batches" not in n}, file)
    found = Inception(file, low=0.0, high=1.0)
    whole = tmp_path / "inception.pth"
    torch.save(weights, whole)
    assert Inception(whole).hash == found.hash
    grey = torch.rand(2, 8, 8)
    assert found.features(grey).shape == (2, 2048)
    seen = found.prepared(grey)
    assert seen.shape == (2, 3, 299, 299)
    assert float(seen.min()) >= -1
    assert float(seen.max()) <= 1
    assert torch.equal(seen[:, 0], seen[:, 2])
    with pytest.raises(DataError, match="1 or 3 channels, not 2"):
        found.features(torch.rand(2, 2, 8, 8))


def test_other_weights_are_refused(weights, tmp_path):
    with pytest.raises(OptionError, match=r"there is no file .*pt_inception-2015-12-05"):
        Inception(tmp_path / "none.pth")
    file = tmp_path / "other.pth"
    torch.save({**weights, "fc.weight": torch.zeros(1000, 2048)}, file)
    with pytest.raises(OptionError, match=r"'fc.weight' is \(1000, 2048\) in it"):
        Inception(file)
    some = tmp_path / "some.safetensors"
    save_file({n: w for n, w in weights.items() if "Mixed_7c" not in n}, some)
    with pytest.raises(OptionError, match=r"'Mixed_7c.* is not there in it"):
        Inception(some)
    file.write_bytes(b"no weights")
    with pytest.raises(OptionError, match="cannot be read"):
        Inception(file)


def test_published_weights_tell_images_from_noise():
    """Runs where the file is: `PROBGEN_INCEPTION` is its path."""
    file = os.environ.get("PROBGEN_INCEPTION")
    if not file:
        pytest.skip("PROBGEN_INCEPTION is not set")
    found = Inception(file)
    smooth = torch.linspace(-1, 1, 64)[None, None].expand(4, 64, 64)
    assert (found.features(smooth) - found.features(torch.randn(4, 64, 64))).norm() > 1

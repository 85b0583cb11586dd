"""Convolutional encoders and decoders."""

import pytest
import torch

from probgen.errors import OptionError
from probgen.nets.conv import ConvDecoder, ConvEncoder

IMAGES = [(8, 8), (28, 28), (7, 5), (9, 12)]


@pytest.mark.parametrize("image", IMAGES)
def test_any_size_of_image_comes_back(image):
    encoder = ConvEncoder(image, 6, (4, 5, 3))
    decoder = ConvDecoder(6, image, 2, (4, 5, 3))
    size = image[0] * image[1]
    x = torch.randn(2, 3, size)
    assert encoder(x).shape == (2, 3, 6)
    assert decoder(encoder(x)).shape == (2, 3, 2 * size)
    assert encoder(x[0, 0]).shape == (6,)


def test_rows_do_not_see_each_other():
    network = ConvEncoder((8, 8), 3)
    x = torch.randn(2, 64)
    torch.testing.assert_close(network(x)[1], network(x[1:])[0])


@pytest.mark.parametrize("image", [(8, 8), (9, 12)])
def test_every_pixel_is_seen_and_made(image):
    size = image[0] * image[1]
    encoder, decoder = ConvEncoder(image, 4).double(), ConvDecoder(4, image).double()
    x = torch.randn(1, size, requires_grad=True, dtype=torch.float64)
    encoder(x).square().sum().backward()
    assert (x.grad != 0).all()
    z = torch.randn(1, 4, dtype=torch.float64)
    made = torch.autograd.functional.jacobian(decoder, z)[0, :, 0]
    assert (made != 0).any(-1).all()


def test_parameters_of_one_kind_come_together_in_the_order_of_pixels():
    decoder = ConvDecoder(2, (4, 6), 2, (3,))
    last = decoder.layers[-1]
    with torch.no_grad():
        last.weight[:, 1] = 0  # the second kind is its bias alone
    out = decoder(torch.randn(1, 2)).unflatten(-1, (2, 24))
    assert (out[0, 1] == last.bias[1]).all()
    assert out[0, 0].std() > 1e-3


def test_no_layers_are_refused():
    with pytest.raises(OptionError, match="channels="):
        ConvEncoder((8, 8), 2, ())

"""The sum of log Bernoulli densities against torch's chain of operations."""

from __future__ import annotations

import pyro.distributions as dist
import pytest
import torch

from probgen.learn.variational.binary import binary_sum


def message(law, value, mask=None):
    return {"fn": law, "value": value, "mask": mask}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", ["logits", "probs"])
def test_value_and_gradient_are_torchs(dtype, name):
    torch.manual_seed(0)
    raw = 6 * torch.randn(30, 40, dtype=dtype)
    raw[0, :8] = torch.tensor([-200.0, 200.0, -40.0, 40.0] * 2)  # where probabilities are cut
    x = torch.bernoulli(torch.full_like(raw, 0.4))
    x[0, :8] = torch.tensor([0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0])
    found = []
    for fast in (True, False):
        given = (raw if name == "logits" else raw.sigmoid()).clone().requires_grad_()
        law = dist.Bernoulli(**{name: given}, validate_args=False).to_event(1)
        total = binary_sum(message(law, x)) if fast else law.log_prob(x).sum()
        (3 * total).backward()
        found.append((total.detach(), given.grad))
    rtol = 2e-4 if dtype == torch.float32 else 1e-9  # 1 - p of p near 1 is rounded
    torch.testing.assert_close(found[0][0], found[1][0], rtol=2e-6, atol=0)
    torch.testing.assert_close(found[0][1], found[1][1], rtol=rtol, atol=1e-6)


def test_everything_else_is_left_to_torch():
    x = torch.ones(4, 3)
    assert binary_sum(message(dist.Normal(x, 1.0).to_event(1), x)) is None
    law = dist.Bernoulli(logits=torch.zeros(4, 3))
    assert binary_sum(message(law, x, mask=x > 0)) is None
    assert binary_sum(message(dist.Bernoulli(logits=torch.zeros(3)), x)) is None
    assert binary_sum(message(law, x.double())) is None
    assert binary_sum(message(dist.Bernoulli(logits=torch.zeros(4, 3).bfloat16()), x)) is None
    assert binary_sum(message(law, x)).item() == pytest.approx(law.log_prob(x).sum().item())

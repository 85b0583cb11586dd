"""Checks of distributions are off within, as they were after, and switched no more than needed."""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import pytest
from torch.distributions import Distribution

from probgen.learn.unvalidated import unvalidated


@pytest.mark.parametrize("before", [True, False])
def test_checks_are_off_within_and_as_they_were_after(before):
    with pyro.validation_enabled(before):
        with unvalidated(), unvalidated():
            dist.Normal(0.0, -1.0)
        assert Distribution._validate_args is before
        assert pyro.infer.is_validation_enabled() is before
        if before:
            with pytest.raises(ValueError, match="scale"):
                dist.Normal(0.0, -1.0)


def test_what_is_off_already_is_not_switched(monkeypatch):
    with pyro.validation_enabled(False):
        monkeypatch.setattr(pyro, "validation_enabled", None)
        with unvalidated():
            dist.Normal(0.0, -1.0)


def test_checks_that_torch_alone_has_on_are_off_too(monkeypatch):
    with pyro.validation_enabled(False):
        monkeypatch.setattr(Distribution, "_validate_args", True)
        with unvalidated():
            dist.Normal(0.0, -1.0)

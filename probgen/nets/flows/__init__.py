"""Normalizing flows: densities by change of variables, built of zuko's transforms.

zuko turns off the validation of every distribution of torch when it is imported; it is imported
here, before any file of this package, and validation stays as it was.
"""

from torch.distributions import Distribution as _Distribution

_validated = _Distribution._validate_args

import zuko as _zuko  # noqa: E402, F401

_Distribution.set_default_validate_args(_validated)

"""Generative adversarial networks: each a short Pyro program, learned by `Adversarial`.

Every file is a model of the zoo: `load_model("bigan")`, `probgen fit bigan`. Their classes are
here by name, imported when they are asked for:

    from probgen.models.gan import BiGAN
"""

from __future__ import annotations

import importlib
from typing import Any

_FILES = {
    "ACGAN": "ac_gan",
    "BiGAN": "bigan",
    "ConditionalGAN": "conditional_gan",
    "DCGAN": "dcgan",
    "EBGAN": "ebgan",
    "GAN": "gan",
    "InfoGAN": "infogan",
    "SGAN": "sgan",
    "WGANGP": "wgan_gp",
}
__all__ = sorted(_FILES)


def __getattr__(name: str) -> Any:
    if name not in _FILES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_FILES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_FILES})

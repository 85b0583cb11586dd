"""Learning programs without densities: two programs compared at named sites by a critic."""

from probgen.learn.adversarial import augmentations, games, penalties

__all__ = ["augmentations", "games", "penalties"]

"""Augmentations: both sides of the game seen through the same random transformation."""

from probgen.learn.adversarial.augmentations.adaptive import ADA
from probgen.learn.adversarial.augmentations.augmentation import Augmentation
from probgen.learn.adversarial.augmentations.images import DiffAugment
from probgen.learn.adversarial.augmentations.noise import InstanceNoise

__all__ = ["ADA", "Augmentation", "DiffAugment", "InstanceNoise"]

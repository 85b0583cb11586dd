"""Networks that make features of cases, for sample-quality metrics.

Each has `features(x)` -> (row, feature), a `name`, and a `hash` of its weights; a classifier also
`logits(x)` and `probabilities(x)`, (row, class).
"""

from probgen.nets.extractors.base import NetworkExtractor, digest
from probgen.nets.extractors.classifier import Classifier
from probgen.nets.extractors.inception import Inception
from probgen.nets.extractors.random_features import RandomFeatures

__all__ = ["Classifier", "Inception", "NetworkExtractor", "RandomFeatures", "digest"]

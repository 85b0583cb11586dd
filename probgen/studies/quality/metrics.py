"""The namespace `pg.metrics`: formulas, extractors, and the table of all of them."""

from probgen.diagnose.metrics import (
    DensityCoverage,
    Extractor,
    Features,
    ModeCount,
    PrecisionRecall,
    Score,
    c2st,
    density_coverage,
    energy_distance,
    featured,
    fid,
    fid_infinity,
    inception_score,
    kid,
    mmd,
    mode_count,
    parzen,
    patch_distances,
    precision_recall,
    sliced_wasserstein,
)
from probgen.nets.extractors import Classifier, Inception, RandomFeatures
from probgen.studies.quality.classifier import classifier, digit_classifier
from probgen.studies.quality.computed import METRICS
from probgen.studies.quality.draws import draws_of
from probgen.studies.quality.result import Quality
from probgen.studies.quality.table import floor, quality
from probgen.studies.quality.walk import path_length

__all__ = [
    "METRICS",
    "Classifier",
    "DensityCoverage",
    "Extractor",
    "Features",
    "Inception",
    "ModeCount",
    "PrecisionRecall",
    "Quality",
    "RandomFeatures",
    "Score",
    "c2st",
    "classifier",
    "density_coverage",
    "digit_classifier",
    "draws_of",
    "energy_distance",
    "featured",
    "fid",
    "fid_infinity",
    "floor",
    "inception_score",
    "kid",
    "mmd",
    "mode_count",
    "parzen",
    "patch_distances",
    "path_length",
    "precision_recall",
    "quality",
    "sliced_wasserstein",
]

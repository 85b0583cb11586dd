"""Sample-quality metrics: formulas over rows of features, of real and of generated cases.

Every function takes arrays (row, ...) or `Features`, and hands back a `Score`, which says what it
was computed with. Which metric answers which question:

- fid, fid_infinity, kid: how far apart the laws of the features are;
- precision, density: whether generated cases look real; recall, coverage: whether all of the real
  cases are generated; mode_count: both, where the true modes are known;
- c2st, mmd, energy_distance: whether the two laws differ at all, with a p-value;
- inception_score: how sure and how varied a classifier finds generated cases; blind to real ones;
- path_length: how smoothly a generator follows its latents.
"""

from probgen.diagnose.metrics.c2st import c2st
from probgen.diagnose.metrics.features import Extractor, Features, featured
from probgen.diagnose.metrics.frechet import fid, fid_infinity
from probgen.diagnose.metrics.inception_score import inception_score
from probgen.diagnose.metrics.kernels import energy_distance, kid, mmd
from probgen.diagnose.metrics.mode_count import ModeCount, mode_count
from probgen.diagnose.metrics.neighbours import (
    DensityCoverage,
    PrecisionRecall,
    density_coverage,
    precision_recall,
)
from probgen.diagnose.metrics.parzen import parzen
from probgen.diagnose.metrics.pyramid import patch_distances
from probgen.diagnose.metrics.score import Score
from probgen.diagnose.metrics.sliced import sliced_wasserstein

__all__ = [
    "DensityCoverage",
    "Extractor",
    "Features",
    "ModeCount",
    "PrecisionRecall",
    "Score",
    "c2st",
    "density_coverage",
    "energy_distance",
    "featured",
    "fid",
    "fid_infinity",
    "inception_score",
    "kid",
    "mmd",
    "mode_count",
    "parzen",
    "patch_distances",
    "precision_recall",
    "sliced_wasserstein",
]

"""Games between a critic and a program: what each loses, given scores of real and of fake rows.

A game sees scores D (logits, one a row), or the critic's features where it says so, and never a
network. Losses are means over rows, lower being better for the player whose they are.
"""

from probgen.learn.adversarial.games.game import Game
from probgen.learn.adversarial.games.logistic import (
    Bidirectional,
    FeatureMatching,
    Minimax,
    NonSaturating,
)
from probgen.learn.adversarial.games.margins import (
    Energy,
    Hinge,
    LeastSquares,
    Relativistic,
    Wasserstein,
)

__all__ = [
    "Bidirectional",
    "Energy",
    "FeatureMatching",
    "Game",
    "Hinge",
    "LeastSquares",
    "Minimax",
    "NonSaturating",
    "Relativistic",
    "Wasserstein",
]

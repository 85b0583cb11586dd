"""Penalties: terms of a player's loss beside the game's, each with a weight and `every`."""

from probgen.learn.adversarial.penalties.diversity import Diversity
from probgen.learn.adversarial.penalties.gradients import DRAGAN, R1, R2, GradientPenalty
from probgen.learn.adversarial.penalties.scores import Consistency, Drift, LeCam
from probgen.learn.adversarial.penalties.weights import Orthogonal, PullingAway
from probgen.learn.adversarial.situation import Penalty, Situation

__all__ = [
    "DRAGAN",
    "R1",
    "R2",
    "Consistency",
    "Diversity",
    "Drift",
    "GradientPenalty",
    "LeCam",
    "Orthogonal",
    "Penalty",
    "PullingAway",
    "Situation",
]

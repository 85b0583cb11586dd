"""What variational learning minimises: one objective, one file."""

from probgen.learn.variational.objectives.elbo import ELBO
from probgen.learn.variational.objectives.energy_distance import EnergyDistance
from probgen.learn.variational.objectives.mmd import MMD
from probgen.learn.variational.objectives.renyi import RenyiELBO
from probgen.learn.variational.objectives.wake_sleep import WakeSleep

__all__ = ["ELBO", "MMD", "EnergyDistance", "RenyiELBO", "WakeSleep"]

"""The training loop: learners, data, schedules, checkpoints, history."""

from probgen.learn.training import schedules

__all__ = ["schedules"]

"""A game held against its program, guide, critic and data before training.

Every complaint names the site, the program it is in, and a cure.
"""

from probgen.learn.adversarial.checks.critic import check_batch, check_critic, check_critic_has
from probgen.learn.adversarial.checks.learning import (
    augmented_places,
    check_gradients,
    check_penalties,
)
from probgen.learn.adversarial.checks.ranges import check_labels, check_range
from probgen.learn.adversarial.checks.sites import (
    check_codes,
    check_guide_is,
    check_guide_sites,
    check_sites,
    check_values,
    tried,
)

__all__ = [
    "augmented_places",
    "check_batch",
    "check_codes",
    "check_critic",
    "check_critic_has",
    "check_gradients",
    "check_guide_is",
    "check_guide_sites",
    "check_labels",
    "check_penalties",
    "check_range",
    "check_sites",
    "check_values",
    "tried",
]

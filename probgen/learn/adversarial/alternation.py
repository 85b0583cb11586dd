"""Whose turn it is: a pure function of the step, so that going on needs no state."""

from __future__ import annotations

from dataclasses import dataclass

from probgen.learn.adversarial.value import Value, check_count

__all__ = ["Alternate"]


@dataclass(frozen=True, repr=False)
class Alternate(Value):
    """For how many minibatches each player takes its turn in a cycle of the longer of the two.

    Every minibatch of a cycle that is among the first `critic` is the critic's, every one among
    the last `program` the program's: `Alternate()` updates both on each minibatch, the critic
    first, and `Alternate(critic=5)` the program on every fifth.
    """

    critic: int = 1
    program: int = 1

    def __post_init__(self) -> None:
        """Validate; raises `OptionError`."""
        check_count(self, "critic", "program")

    @property
    def cycle(self) -> int:
        """Minibatches until turns repeat."""
        return max(self.critic, self.program)

    def turns(self, step: int) -> tuple[bool, bool]:
        """Whether the critic, and whether the program, takes its turn at `step` (from 0)."""
        place = step % self.cycle
        return place < self.critic, place >= self.cycle - self.program

    def done(self, step: int) -> tuple[int, int]:
        """How many turns critic and program had before `step`."""
        cycles, place = divmod(step, self.cycle)
        program = max(place - (self.cycle - self.program), 0)
        return cycles * self.critic + min(place, self.critic), cycles * self.program + program

    @property
    def formula(self) -> str:
        """The turns in words."""
        if self.critic == self.program:
            return "both on every minibatch, the critic first"
        if self.critic > self.program:
            return f"the program on the last {self.program} of every {self.critic} minibatches"
        return f"the critic on the first {self.critic} of every {self.program} minibatches"

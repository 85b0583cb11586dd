"""A step of a run ends before an interrupt is heard."""

from __future__ import annotations

import os
import signal
import time

import pytest

from probgen.inference.graphical.whole_steps import WholeSteps


def test_an_interrupted_step_is_finished_first():
    done = []

    def step(number):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)
        done.append(number)

    with pytest.raises(KeyboardInterrupt), WholeSteps() as whole:
        whole(step, 7)
    assert done == [7]


def test_leaving_waits_for_a_step_that_two_interrupts_gave_up():
    done = []

    def step():
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.1)
        done.append(True)

    with pytest.raises(KeyboardInterrupt), WholeSteps() as whole:
        whole(step)
    assert done == [True]


def test_results_and_errors_come_back():
    with WholeSteps() as whole:
        assert whole(divmod, 7, 3) == (2, 1)
        with pytest.raises(ZeroDivisionError):
            whole(divmod, 7, 0)

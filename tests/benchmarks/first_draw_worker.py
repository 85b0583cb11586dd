"""One wait for a first draw, in a process of its own: declare, compile, one iteration each.

Started by ``first_draw``. What a user imports at the top of a file (``import probgen``,
``import nutpie, pymc``) is imported before the clock starts; what a library imports only when
it is called counts.
"""

from types import ModuleType

from . import clock, worker
from .models import MODELS
from .worker import Job, Record

FIRST_DRAW_STEPS = ("seconds_trace", "seconds_compile")


def timings(tool: ModuleType, job: Job) -> Record:
    """Seconds from the declared data to the first draw, and the steps the tool tells of."""
    model = MODELS[job.model]
    with clock.Stopwatch() as watch:
        result = tool.prepare(model, **job.options)(job.run, job.seed)
    attributes = getattr(result, "attrs", {})
    steps = {step: float(attributes[step]) for step in FIRST_DRAW_STEPS if step in attributes}
    return {"cpu": watch.cpu, "wall": watch.wall, **steps}


if __name__ == "__main__":
    worker.main(timings)

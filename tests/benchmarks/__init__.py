"""Benchmarks: probgen beside its peers, one core each, in one run.

``python -m tests.benchmarks.samplers`` measures effective draws per CPU second of the whole
inference call; ``python -m tests.benchmarks.first_draw`` measures the wait for the first draw.
Both need the peers of the ``benchmarks`` extra; a tool that is missing is reported as such.

A tool is one file ``tool_*.py`` with

- ``PACKAGES``: the distributions whose versions are printed;
- ``prepare(model, **options) -> sample``: declare and compile a model, give back a function;
- ``sample(run, seed) -> result``: what a user would call, the part under the clock;
- ``read(result, model, run) -> Outcome``: draws and counters, after the clock has stopped;
- optionally ``first_run(run)``: the size of the unmeasured first call (default: tiny), and
  ``shorter_run(model)``: the size of the measured one, for a tool too slow for the full size.
"""

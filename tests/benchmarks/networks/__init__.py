"""Engines for discrete networks against their peers, in one run on one core.

`python -m tests.benchmarks.networks.gibbs`: variable updates per CPU second, with THRML, JAGS and
pyAgrum. `python -m tests.benchmarks.networks.exact`: all marginals, with pyAgrum.
`python -m tests.benchmarks.networks.accuracy`: errors of the approximate engines on the UAI
instances. `python -m tests.benchmarks.networks.growth`: costs as models grow, as a plot.
Networks beyond those that come with pgmpy are looked for in `PROBGEN_DATA`; the peers need
`pip install -e '.[benchmarks]'` and the `jags` program, and are skipped where absent.
"""

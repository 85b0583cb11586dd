"""THRML (Extropic, JAX): block Gibbs on its own Ising model, and on categorical networks."""

from __future__ import annotations

import time

import jax
import jax.numpy as jnp
import numpy as np

from .workloads import load


def measure(workload: str, chains: int, seconds: float) -> dict[str, float]:
    """Variable updates per CPU second of a compiled call, and what compiling took.

    Only the Ising workloads: THRML's categorical factors need one cardinality per block.
    """
    from thrml import Block, SamplingSchedule, SpinNode, sample_states
    from thrml.models import IsingEBM, IsingSamplingProgram, hinton_init

    if not workload.startswith("ising"):
        raise NotImplementedError("blocks of one cardinality only")
    side = int(workload.removeprefix("ising"))
    nodes = [SpinNode() for _ in range(side * side)]
    pairs = [
        (nodes[r * side + c], nodes[((r + a) % side) * side + (c + b) % side])
        for r in range(side)
        for c in range(side)
        for a, b in ((0, 1), (1, 0))
    ]
    model = IsingEBM(
        nodes, pairs, jnp.full(len(nodes), 0.05), jnp.ones(len(pairs)), jnp.array(1 / 2.3)
    )
    blocks = [
        Block([nodes[r * side + c] for r in range(side) for c in range(side) if (r + c) % 2 == p])
        for p in (0, 1)
    ]
    started = time.process_time()
    program = IsingSamplingProgram(model, blocks, [])
    initial = hinton_init(jax.random.key(0), model, blocks, (chains,))
    keys = jax.random.split(jax.random.key(0), chains)
    sweeps = max(2, int(seconds * 8e7 / (side * side * chains)))
    schedule = SamplingSchedule(n_warmup=sweeps, n_samples=1, steps_per_sample=1)
    run = jax.jit(
        jax.vmap(lambda k, i: sample_states(k, program, schedule, i, [], [Block(nodes)]))
    )
    jax.block_until_ready(run(keys, initial))
    setup = time.process_time() - started
    best = np.inf
    for _ in range(3):
        started = time.process_time()
        jax.block_until_ready(run(keys, initial))
        best = min(best, time.process_time() - started)
    assert len(load(workload).free) == side * side
    return {"rate": side * side * chains * (sweeps + 1) / best, "setup": setup}

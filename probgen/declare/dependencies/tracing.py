"""Dependencies of a program's sites, read off the tensor operations of one run."""

from __future__ import annotations

from typing import Any

from probgen.declare.environment import double_precision, isolated, tracing
from probgen.declare.evaluation import Program
from probgen.declare.placing import PlacePrior, fill_masked
from probgen.declare.sites import Site, describe_site, is_implicit, sample_sites, site_kind

__all__ = ["traced_run"]


def traced_run(program: Program, seed: int) -> tuple[dict[str, Site], set[tuple[str, str]]]:
    """Sites of a run at a draw from the prior, and the edges (site, site that uses it).

    Deterministic sites are steps of their own. Errors of the program under tracking go through.
    """
    from pyro.infer.inspect import TrackProvenance
    from pyro.ops.provenance import get_provenance

    computed: dict[str, frozenset[str]] = {}

    class Track(TrackProvenance):
        """Remembers what a value was computed from before it is renamed."""

        def _pyro_post_sample(self, msg: dict[str, Any]) -> None:
            computed[msg["name"]] = get_provenance(msg["value"])
            super()._pyro_post_sample(msg)

    with tracing(), double_precision(program.needs_widening), isolated(seed):
        with Track(include_deterministic=True):
            trace = program.trace_with(PlacePrior())
        fill_masked(trace)
        edges: set[tuple[str, str]] = set()
        found: dict[str, Site] = {}
        for name, message in sample_sites(trace):
            found[name] = describe_site(name, message)
            parents = set(computed.get(name, ()))
            if is_implicit(message):
                parents |= get_provenance(message["fn"].mean)
            elif site_kind(message) != "deterministic":
                parents |= get_provenance(message["fn"].log_prob(message["value"]))
            edges |= {(parent, name) for parent in parents - {name}}
    return found, {(parent, name) for parent, name in edges if parent in found}

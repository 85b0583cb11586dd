"""probgen: Pyro programs and pgmpy networks in, diagnosed posteriors out.

    import probgen as pg
    tree = pg.infer(model, data={"y": y})
    print(pg.diagnose(tree))

Names are loaded on first use, so that `import probgen` costs next to nothing.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_GRAPHICAL = "probgen.inference.graphical"
_ERRORS = "probgen.errors"
_LEARN = "probgen.learn.networks"
_OBJECTIVES = "probgen.learn.variational.objectives"
_FLOWS = "probgen.nets.flows"
_ADVERSARIAL = "probgen.learn.adversarial"

_WHERE = {
    "Implicit": "probgen.declare.implicit",
    "Adversarial": f"{_ADVERSARIAL}.method",
    "Alternate": f"{_ADVERSARIAL}.alternation",
    "Code": f"{_ADVERSARIAL}.codes",
    "augmentations": _ADVERSARIAL,
    "games": _ADVERSARIAL,
    "penalties": _ADVERSARIAL,
    "RejectionABC": "probgen.inference.likelihood_free.rejection",
    "SMCABC": "probgen.inference.likelihood_free.smc",
    "HMC": "probgen.inference.hmc",
    "FlowMetropolis": "probgen.inference.flow_assisted.flow_metropolis",
    "NeuTra": "probgen.inference.flow_assisted.neutra",
    "TemperedSMC": "probgen.inference.flow_assisted.tempered_smc",
    "MAP": f"{_GRAPHICAL}.maximum",
    "ChEES": "probgen.inference.chees",
    "Laplace": "probgen.inference.laplace",
    "MAMS": "probgen.inference.mams",
    "MCLMC": "probgen.inference.mclmc",
    "NUTS": "probgen.inference.nuts",
    "Pathfinder": "probgen.inference.pathfinder",
    "SVI": "probgen.inference.variational.svi",
    "ELBO": _OBJECTIVES,
    "EnergyDistance": _OBJECTIVES,
    "MMD": _OBJECTIVES,
    "RenyiELBO": _OBJECTIVES,
    "WakeSleep": _OBJECTIVES,
    "AnnealedImportance": f"{_GRAPHICAL}.annealed_importance",
    "BayesianEstimate": f"{_LEARN}.bayesian_estimate",
    "BeliefPropagation": f"{_GRAPHICAL}.belief_propagation",
    "EM": f"{_LEARN}.em",
    "BoltzmannMachine": "probgen.nets.boltzmann.machine",
    "Units": "probgen.nets.boltzmann.units",
    "ImportanceWeighted": "probgen.inference.variational.likelihood.importance",
    "inpaint": "probgen.nets.boltzmann.visible",
    "log_likelihood": "probgen.inference.log_likelihood",
    "log_partition": "probgen.inference.boltzmann.likelihood.estimate",
    "marginal_program": "probgen.nets.boltzmann.marginal",
    "reconstruct": "probgen.nets.boltzmann.visible",
    "relaxed_program": "probgen.nets.boltzmann.relaxed",
    "transform": "probgen.nets.boltzmann.visible",
    "CD": "probgen.learn.boltzmann.methods",
    "PCD": "probgen.learn.boltzmann.methods",
    "ExactGradient": "probgen.learn.boltzmann.methods",
    "DoubledLayers": "probgen.learn.boltzmann.pretrain",
    "BeliefNetwork": "probgen.nets.boltzmann.belief",
    "FineTune": "probgen.learn.boltzmann.fine_tune",
    "GreedyLayers": "probgen.learn.boltzmann.greedy",
    "UpDown": "probgen.learn.boltzmann.up_down",
    "Exact": f"{_GRAPHICAL}.exact",
    "EvidenceError": _ERRORS,
    "Factor": "probgen.declare.network",
    "Gibbs": f"{_GRAPHICAL}.gibbs",
    "GradientMLE": f"{_LEARN}.gradient_mle",
    "GES": f"{_LEARN}.structure_search",
    "HillClimb": f"{_LEARN}.structure_search",
    "HiddenMarkov": "probgen.declare.networks.hidden_markov",
    "MaximumLikelihood": f"{_LEARN}.maximum_likelihood",
    "MeanField": f"{_GRAPHICAL}.mean_field",
    "Network": "probgen.declare.network",
    "PC": f"{_LEARN}.structure_search",
    "ParallelTempering": f"{_GRAPHICAL}.parallel_tempering",
    "ProbgenError": _ERRORS,
    "PseudoLikelihood": f"{_LEARN}.pseudo_likelihood",
    "StructureMCMC": f"{_LEARN}.structure_mcmc",
    "SwendsenWang": f"{_GRAPHICAL}.swendsen_wang",
    "TransitionModel": "probgen.declare.networks.transition",
    "CategoricalGraph": f"{_FLOWS}.categorical",
    "DequantisedFlow": f"{_FLOWS}.dequantised",
    "FlowModel": f"{_FLOWS}.model",
    "GraphFlow": f"{_FLOWS}.graph",
    "Logit": f"{_FLOWS}.preconditioning",
    "TableFlow": f"{_FLOWS}.table",
    "TableSchema": f"{_FLOWS}.schema",
    "build_flow": f"{_FLOWS}.factory",
    "complete": "probgen.inference.complete",
    "from_pyro": "probgen.inference.from_pyro",
    "prior": "probgen.inference.prior",
    "report": "probgen.studies.report",
    "calibrate": "probgen.studies.calibrate",
    "conform": "probgen.studies.conform",
    "resume": "probgen.api",
    "open_tree": "probgen.results.store.export",
    "save": "probgen.results.store.export",
    "StoreError": _ERRORS,
    "DifferentMachineWarning": "probgen.inference.provenance",
    "compare": "probgen.studies.compare.study",
    "check": "probgen.api",
    "density": "probgen.declare.logdensity",
    "describe": "probgen.api",
    "diagnose": "probgen.diagnose",
    "draw": "probgen.api",
    "estimate_chain": "probgen.inference.markov.estimation",
    "fit": "probgen.inference.fit",
    "load_fit": "probgen.learn.program_fit",
    "schedules": "probgen.learn.training",
    "Watch": "probgen.learn.training.watch",
    "ClipNorm": "probgen.learn.training.clipping",
    "ClipValue": "probgen.learn.training.clipping",
    "TrainingError": _ERRORS,
    "graph": "probgen.api",
    "hitting_times": "probgen.inference.markov.classes",
    "infer": "probgen.api",
    "load_model": "probgen.declare.modelfile",
    "load_network": "probgen.declare.networks.load",
    "marginals": "probgen.results.network_tree",
    "metrics": "probgen.studies.quality",
    "mixing_time": "probgen.inference.markov.chains",
    "block_means": "probgen.nets.measured",
    "measured": "probgen.nets.measured",
    "plot_reconstructions": "probgen.studies.latents.figures",
    "plot_samples": "probgen.studies.latents.figures",
    "plot_traversals": "probgen.studies.latents.figures",
    "predict": "probgen.inference.predict",
    "to_pyro": "probgen.declare.networks.to_pyro",
    "to_pgmpy": "probgen.declare.networks.to_pgmpy",
    "to_machine": "probgen.declare.networks.boltzmann",
    "to_network": "probgen.declare.networks.boltzmann",
    "read_data_file": "probgen.declare.datafile",
    "read_comparison": "probgen.studies.compare.result",
    "read_transition": "probgen.declare.networks.transition",
    "save_picture": "probgen.diagnose",
    "simulate_chain": "probgen.inference.markov.simulation",
    "spectral_gap": "probgen.inference.markov.chains",
    "stationary": "probgen.inference.markov.chains",
}
# Where the function in a module is not called what users call it.
_CALLED = {
    "estimate_chain": "estimate",
    "marginals": "marginals_table",
    "simulate_chain": "simulate",
    "to_machine": "machine_from_network",
    "to_network": "network_of_machine",
}

__all__ = sorted(_WHERE)


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'probgen' has no attribute {name!r}")
    return getattr(import_module(_WHERE[name]), _CALLED.get(name, name))


def __dir__() -> list[str]:
    return sorted([*globals(), *_WHERE])

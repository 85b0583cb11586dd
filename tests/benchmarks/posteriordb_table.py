"""Means and standard deviations of posteriordb posteriors beside their reference draws.

``python -m tests.benchmarks.posteriordb_table`` samples fifteen posteriors and prints one
row for each: the largest z-scores (difference over Monte Carlo error, ours and the
reference's together) of means and standard deviations, R-hat, ESS and seconds. Names of
posteriors may be given; ``--all`` takes all that have reference draws, ``--parameters``
prints a row per parameter. Needs the reference data (PROBGEN_DATA).
"""

import argparse
import math
import statistics
import sys
import time
import warnings
from dataclasses import dataclass

import xarray as xr

import probgen as pg
from tests.posteriordb.posteriors import POSTERIORS, posterior_data
from tests.posteriordb.reference import Row, compare_with_reference
from tests.reference_data import find_reference_data

SELECTED = (
    "eight_schools-eight_schools_noncentered",
    "arK-arK",
    "bball_drive_event_0-hmm_drive_0",
    "earnings-earn_height",
    "earnings-logearn_interaction",
    "garch-garch11",
    "hudson_lynx_hare-lotka_volterra",
    "kidiq-kidscore_momhsiq",
    "kidiq_with_mom_work-kidscore_interaction_c",
    "low_dim_gauss_mix-low_dim_gauss_mix",
    "mesquite-logmesquite_logvas",
    "mesquite-mesquite",
    "nes1992-nes",
    "sblrc-blr",
    "sblri-blr",
)


@dataclass(frozen=True)
class Result:
    """One posterior, sampled and compared."""

    name: str
    tree: xr.DataTree
    rows: list[Row]
    seconds: float

    @property
    def worst_mean(self) -> float:
        return max(abs(row.z_mean) for row in self.rows)

    @property
    def worst_sd(self) -> float:
        return max(abs(row.z_sd) for row in self.rows)

    @property
    def rhat(self) -> float:
        return max(row.rhat for row in self.rows)

    @property
    def agrees(self) -> bool:
        """Every z-score inside the two-sided 99.9 % bound for so many of them."""
        bound = statistics.NormalDist().inv_cdf(1.0 - 0.001 / (4 * len(self.rows)))
        return self.rhat < 1.01 and max(self.worst_mean, self.worst_sd) < bound


def sample(name: str, run: argparse.Namespace) -> Result:
    started = time.perf_counter()
    tree = pg.infer(
        POSTERIORS[name].program,
        data=posterior_data(name),
        chains=run.chains,
        draws=run.draws,
        warmup=run.warmup,
        seed=run.seed,
        log_likelihood=False,
        progress=False,
        **POSTERIORS[name].options,
    )
    seconds = time.perf_counter() - started
    return Result(name, tree, compare_with_reference(tree, name), seconds)


HEADER = (
    f"{'posterior':<44} {'dim':>3} {'|z| mean':>8} {'|z| sd':>7} {'R-hat':>7} {'ESS':>6} "
    f"{'div':>4} {'seconds':>8} {'backend':>8} agrees"
)


def line(result: Result) -> str:
    divergences = int(result.tree["sample_stats"]["diverging"].sum())
    ess = min(row.ess_bulk for row in result.rows)
    return (
        f"{result.name:<44} {len(result.rows):>3} {result.worst_mean:>8.2f} "
        f"{result.worst_sd:>7.2f} {result.rhat:>7.4f} {ess:>6.0f} {divergences:>4} "
        f"{result.seconds:>8.2f} {result.tree.attrs['backend']:>8} "
        f"{'yes' if result.agrees else 'NO'}"
    )


def parameter_lines(result: Result) -> list[str]:
    return [
        f"    {row.parameter:<14} mean {row.mean:>12.5g} ({row.reference_mean:>12.5g}, "
        f"z {row.z_mean:>5.2f})  sd {row.sd:>11.5g} ({row.reference_sd:>11.5g}, "
        f"z {row.z_sd:>5.2f})  R-hat {row.rhat:.4f}"
        for row in result.rows
    ]


def summary(results: list[Result]) -> str:
    """How the z-scores of all parameters are spread; correct ones have root mean square 1."""
    scores = [z for result in results for row in result.rows for z in (row.z_mean, row.z_sd)]
    spread = math.sqrt(statistics.fmean(z * z for z in scores))
    agree = sum(result.agrees for result in results)
    return (
        f"{agree} of {len(results)} agree (R-hat < 1.01 and every z-score within the 99.9 % "
        f"bound); root mean square of {len(scores)} z-scores: {spread:.2f}"
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[[], *POSTERIORS], metavar="posterior")
    parser.add_argument("--all", action="store_true", help="every posterior with reference draws")
    parser.add_argument("--parameters", action="store_true", help="a row per parameter as well")
    parser.add_argument("--chains", type=int, default=4)
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--warmup", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def main() -> int:
    run = arguments()
    if find_reference_data("posteriordb", "with_reference") is None:
        print("The reference data are absent: set PROBGEN_DATA to their folder.")
        return 2
    names = list(POSTERIORS) if run.all else run.names or list(SELECTED)
    print(f"{run.chains} chains x ({run.warmup} + {run.draws}) draws, seed {run.seed}\n{HEADER}")
    results = []
    for name in names:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the backend column tells it
            results.append(sample(name, run))
        print(line(results[-1]), flush=True)
        if run.parameters:
            print("\n".join(parameter_lines(results[-1])), flush=True)
    print(summary(results))
    return 0 if all(result.agrees for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())

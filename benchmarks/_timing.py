"""Time several implementations side by side in one run."""

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date

import pandas as pd
import torch


def parse_arguments(description: str, **arguments: dict) -> argparse.Namespace:
    """Parse ``--quick`` and the `arguments` of a benchmark, a mapping of names to parameters of ``add_argument``."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="use few images and rounds, to check that the script runs")
    for name, settings in arguments.items():
        parser.add_argument(f"--{name.replace('_', '-')}", **settings)
    return parser.parse_args()


def time_side_by_side(contenders: Mapping[str, Callable[[], object]], *, rounds: int) -> dict[str, list[float]]:
    """Run the contenders alternately for a number of rounds; return the seconds of each run.

    The first round is a warm-up. The order is reversed in every second round, so that a change of the machine's speed
    favors no contender.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for round_number in range(rounds + 1):
        names = list(contenders) if round_number % 2 == 0 else list(reversed(contenders))
        for name in names:
            start = time.perf_counter()
            contenders[name]()
            if round_number > 0:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def tabulate(
    seconds: Mapping[str, list[float]], n_items: int, *, against: str, also: Sequence[str] = (), item: str = "images"
) -> pd.DataFrame:
    """Return a table of median rates with their range and the ratios to `against` and to each of `also`.

    Ratios are medians of the ratios within each round.
    """
    rows = []
    for name, runs in seconds.items():
        rates = [n_items / run for run in runs]
        ratios = {
            f"x {other}": round(statistics.median(b / a for a, b in zip(runs, seconds[other], strict=True)), 2)
            for other in [*also, against]
        }
        rows.append(
            {
                "contender": name,
                f"{item}/s": round(statistics.median(rates), 1),
                "slowest": round(min(rates), 1),
                "fastest": round(max(rates), 1),
                **ratios,
            }
        )
    return pd.DataFrame(rows)


def describe_machine() -> str:
    """Describe the hardware and software versions."""
    gpu = f"{torch.cuda.get_device_name()}, " if torch.cuda.is_available() else ""
    return (
        f"{date.today()}, {gpu}{os.cpu_count()} cores ({torch.backends.cpu.get_cpu_capability()}), "
        f"{torch.get_num_threads()} threads, Python {platform.python_version()}, PyTorch {torch.__version__}"
    )

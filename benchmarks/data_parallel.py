"""Compare data-parallel training in two processes with one process, each pinned to one core.

    python benchmarks/data_parallel.py

``together`` is ``EmotionClassifier(data_parallel=True)`` in two processes, ``alone`` is one process while the other is
idle, and ``apart`` are two independent processes. The number of steps and images per process is the same. The
difference between ``together`` and ``apart`` is the cost of communication, and that between ``apart`` and ``alone`` the
effect of shared memory bandwidth and other load. On busy cores, consider ``processor (ms)``, the processor time per
step of the first process, and ``sum (ms)``, the time to sum as many numbers as there are weights.
"""

import os
import statistics
import sys
import time
from functools import partial

import pandas as pd
import torch
from _timing import describe_machine, parse_arguments, tabulate, time_side_by_side

from sk_emotion import EmotionClassifier, make_faces, networks

EMOTIONS = ["anger", "disgust", "fear", "happiness", "neutral", "pain", "sadness"]
N_PROCESSES = 2
NETWORKS = [networks.ResNet(), networks.VGG(width=8)]

# Minimum ratio of images per second and process to those of a single process, with the default network.
PROMISED = 0.8


def compare(network, faces, labels, processes, *, epochs, rounds):
    """Time the contenders in all processes; return a table."""
    # Number of images per process.
    n_own = len(faces) // N_PROCESSES

    def train(*, data_parallel):
        model = EmotionClassifier(network, max_epochs=epochs, device="cpu", data_parallel=data_parallel, random_state=0)
        n_given = len(faces) if data_parallel else n_own
        model.fit(faces[:n_given], labels[:n_given])
        return model

    processor = {"together": [], "apart": [], "alone": []}

    def run(name):
        processes.wait_for_everyone()
        start = time.process_time()
        if name != "alone" or processes.is_main_process:
            train(data_parallel=name == "together")
        processor[name].append(time.process_time() - start)
        processes.wait_for_everyone()

    seconds = time_side_by_side({name: partial(run, name) for name in processor}, rounds=rounds)
    n_steps = epochs * -(-n_own // EmotionClassifier().batch_size)
    table = tabulate(seconds, n_own * epochs, against="alone")
    table["step (ms)"] = [round(1000 * statistics.median(runs) / n_steps, 1) for runs in seconds.values()]
    # Skip the warm-up round.
    table["processor (ms)"] = [round(1000 * statistics.median(runs[1:]) / n_steps, 1) for runs in processor.values()]
    n_weights = sum(weight.numel() for weight in train(data_parallel=False).net_.module_.parameters())
    return table.assign(**{"sum (ms)": time_sum(n_weights, processes, repeats=50)}, network=str(network))


def time_sum(n_weights, processes, *, repeats):
    """Return the median time, in ms, to sum `n_weights` numbers over all processes."""
    gradient = torch.ones(n_weights)
    taken = []
    for _ in range(repeats):
        processes.wait_for_everyone()
        start = time.perf_counter()
        processes.reduce(gradient)
        taken.append(1000 * (time.perf_counter() - start))
    return round(statistics.median(taken), 1)


def main() -> None:
    arguments = parse_arguments(
        __doc__,
        images={"type": int, "default": 512, "help": "total number of images, half of them per process"},
        epochs={"type": int, "default": 2},
        rounds={"type": int, "default": 5},
    )
    if "WORLD_SIZE" not in os.environ:
        launcher = ["-m", "torch.distributed.run", "--nproc-per-node", str(N_PROCESSES), "--standalone"]
        os.execv(sys.executable, [sys.executable, *launcher, *sys.argv])
    from accelerate import Accelerator

    processes = Accelerator(cpu=True)
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[processes.process_index % len(cores)]})
    torch.set_num_threads(1)
    n_samples, epochs, rounds = arguments.images, arguments.epochs, arguments.rounds
    if arguments.quick:
        n_samples, epochs, rounds = 128, 1, 1
    faces, labels, _ = make_faces(n_samples, emotions=EMOTIONS, random_state=0)
    load = os.getloadavg()[0]
    table = pd.concat(
        [compare(network, faces, labels, processes, epochs=epochs, rounds=rounds) for network in NETWORKS]
    )
    processes.end_training()
    if not processes.is_main_process:
        return
    print(f"{describe_machine()}, load {load:.1f} before and {os.getloadavg()[0]:.1f} after")
    print(f"\n{table.to_string(index=False, float_format='{:.2f}'.format)}")
    if not arguments.quick:
        reached = table[(table["contender"] == "together") & (table["network"] == str(NETWORKS[0]))]["x alone"].item()
        assert reached >= PROMISED, (
            f"{reached} of the images per second of a single process, expected at least {PROMISED}"
        )


if __name__ == "__main__":
    main()

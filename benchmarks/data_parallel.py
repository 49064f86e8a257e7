"""Training in two processes that share each batch, against one process alone, each pinned to one core.

    python benchmarks/data_parallel.py

``together`` is ``EmotionClassifier(data_parallel=True)`` in two processes, ``alone`` one process while the other one
sleeps, and ``apart`` two processes that know nothing of each other. All make as many steps on as many images in each
process. So what ``together`` lacks to ``apart`` is communication, and what ``apart`` lacks to ``alone`` is the
machine's: its memory, and what else runs on it. Where cores are not free, ``processor (ms)``, what a step takes of the
first process's core, and ``sum (ms)``, how long two processes take to add up as many numbers as there are weights, say
more.
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

# Least ratio of images a second in a process to those of one alone, with the default network.
PROMISED = 0.8


def compare(network, faces, labels, processes, *, epochs, rounds):
    """Time the contenders, in all processes at once; give a table."""
    # `together`, a part of this size comes to each process.
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
    # The first round is not counted here either.
    table["processor (ms)"] = [round(1000 * statistics.median(runs[1:]) / n_steps, 1) for runs in processor.values()]
    n_weights = sum(weight.numel() for weight in train(data_parallel=False).net_.module_.parameters())
    return table.assign(**{"sum (ms)": time_sum(n_weights, processes, repeats=50)}, network=str(network))


def time_sum(n_weights, processes, *, repeats):
    """Give the median milliseconds in which all processes have the sum of so many numbers, and do nothing else."""
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
        images={"type": int, "default": 512, "help": "in all, half of them for each process"},
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
        assert reached >= PROMISED, f"{reached} of the images a second of a process alone, not {PROMISED}"


if __name__ == "__main__":
    main()

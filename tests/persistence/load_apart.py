"""Load model files, each in its own process, and report errors, memory, time and audit events.

``python load_apart.py GOOD... -- PATH...`` prints one line of JSON per path. The valid files GOOD are loaded first, so
that all modules are imported.
"""

import ctypes
import gc
import json
import os
import resource
import sys
import time
import traceback
import warnings

import torchvision  # noqa: F401 - a file may name its networks

from sk_emotion import load_model

LIMIT = 2_000_000_000
"""Limit of address space in bytes, so that a failing test does not exhaust memory."""
SECONDS = 60
"""Limit of CPU time."""

FORBIDDEN = (
    "os.",
    "shutil.",
    "subprocess.",
    "socket.",
    "pickle.",
    "marshal.",
    "ctypes.",
    "import",
    "webbrowser.",
    "urllib.",
)
HARMLESS = ("os.listdir", "os.scandir")


def watch(path, seen):
    """Record audit events that loading a model does not need."""

    def hook(event, arguments):
        if event == "open":
            file = str(arguments[0])
            if file != str(path) and not file.endswith((".py", ".pyc")):
                seen.append(f"open {file}")
        elif event.startswith(FORBIDDEN) and event not in HARMLESS:
            seen.append(f"{event} {arguments}")

    sys.addaudithook(hook)


def load(path):
    """Load a file and return the outcome."""
    resource.setrlimit(resource.RLIMIT_AS, (current_address_space() + LIMIT,) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    before = reset_peak_memory()
    seen: list[str] = []
    watch(path, seen)
    start, shown = time.process_time(), ""
    try:
        error = f"loaded {type(load_model(path)).__name__}"
        kinds = []
    except BaseException as raised:
        error, kinds = str(raised), [kind.__name__ for kind in type(raised).__mro__]
        shown = "".join(traceback.format_exception(raised))
    outcome = {"error": error, "kinds": kinds, "seen": list(seen), "seconds": time.process_time() - start}
    return {**outcome, "grown": measure("VmHWM") - before, "shown": shown}


def reset_peak_memory():
    """Reset the peak memory of this process and return its current memory.

    Freed memory is returned to the system first, since reusing it would not be measured.
    """
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    return measure("VmRSS")


def measure(name):
    with open("/proc/self/status") as file:
        return next(1024 * int(line.split()[1]) for line in file if line.startswith(name))


def current_address_space():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def load_apart(path):
    """Load a file in a child process and return the outcome, or how the process died."""
    reader, writer = os.pipe()
    # Existing objects need not be scanned by the garbage collector of each child.
    gc.freeze()
    child = os.fork()
    if child == 0:
        os.close(reader)
        # The child must never return to the code of the parent.
        try:
            os.write(writer, json.dumps(load(path)).encode())
        finally:
            os._exit(0)
    gc.unfreeze()
    os.close(writer)
    with open(reader, "rb") as answers:
        answer = answers.read()
    _, status = os.waitpid(child, 0)
    return (
        json.loads(answer)
        if answer
        else {"error": f"died of {status}", "kinds": [], "grown": 0, "seen": [], "seconds": 0, "shown": ""}
    )


if __name__ == "__main__":
    split = sys.argv.index("--")
    warnings.simplefilter("ignore")
    for good in sys.argv[1:split]:
        load_model(good)
    for path in sys.argv[split + 1 :]:
        print(json.dumps({"path": path, **load_apart(path)}), flush=True)

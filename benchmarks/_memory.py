"""Measure the peak memory of a piece of code relative to the memory in use before it. Linux only."""

import subprocess
import sys

_PROGRAM = """
import re as _re
def _read(name):
    with open("/proc/self/status") as _status:
        return int(_re.search(name + r":\\s+(\\d+) kB", _status.read()).group(1)) / 1000
{set_up}
_before = _read("VmRSS")
with open("/proc/self/clear_refs", "w") as _file:
    _file.write("5")  # resets the peak
{code}
print("peak", _read("VmHWM") - _before)
"""


def measure_peak(code: str, *, set_up: str = "") -> float:
    """Run `set_up` and `code` in a new process; return the peak of `code` in MB above the memory after `set_up`."""
    program = _PROGRAM.format(set_up=set_up, code=code)
    done = subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.PIPE, text=True)
    return float(done.stdout.rsplit("peak", 1)[1])

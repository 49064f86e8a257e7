"""Measure how much memory a piece of code takes at its peak, above what was in use before it. Linux only."""

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
    _file.write("5")  # sets the peak back to what is in use now
{code}
print("peak", _read("VmHWM") - _before)
"""


def measure_peak(code: str, *, set_up: str = "") -> float:
    """Run `set_up` and `code` in a new process; give the MB at the peak of `code` above what `set_up` left in use."""
    program = _PROGRAM.format(set_up=set_up, code=code)
    done = subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.PIPE, text=True)
    return float(done.stdout.rsplit("peak", 1)[1])

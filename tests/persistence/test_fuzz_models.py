"""Fifty damaged model files of each kind; run tests/soak/fuzz_models.py and fuzz_onnx.py for more."""

import runpy
import sys
from pathlib import Path

import pytest

if not sys.platform.startswith("linux"):
    pytest.skip("memory is measured via /proc", allow_module_level=True)

SOAK = Path(__file__).parents[1] / "soak"
sys.path.insert(0, str(SOAK))
FUZZERS = {
    "model.skops": runpy.run_path(str(SOAK / "fuzz_models.py")),
    "model.onnx": runpy.run_path(str(SOAK / "fuzz_onnx.py")),
}


@pytest.fixture(scope="module")
def good():
    return {name: fuzzer["make_good"]() for name, fuzzer in FUZZERS.items()}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("tens", range(5))
@pytest.mark.parametrize("name", FUZZERS)
def test_damaged_model_files_raise_only_our_errors(good, tmp_path, name, tens):
    fuzzer, tools = FUZZERS[name], FUZZERS["model.skops"]
    path = tmp_path / name
    for number in range(10 * tens, 10 * (tens + 1)):
        path.write_bytes(fuzzer["make_file"](good[name], "suite", number))
        result = tools["load_apart"](path)
        what, escaped = tools["judge"](result)
        assert not escaped, (number, what, result)

"""Fifty damaged model files; run tests/soak/fuzz_models.py for more."""

import runpy
import sys
from pathlib import Path

import pytest

if not sys.platform.startswith("linux"):
    pytest.skip("memory is measured via /proc", allow_module_level=True)

_FUZZ = runpy.run_path(str(Path(__file__).parents[1] / "soak" / "fuzz_models.py"))


@pytest.fixture(scope="module")
def good():
    return _FUZZ["make_good"]()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("tens", range(5))
def test_damaged_model_files_raise_only_our_errors(good, tmp_path, tens):
    path = tmp_path / "model.skops"
    for number in range(10 * tens, 10 * (tens + 1)):
        path.write_bytes(_FUZZ["make_file"](good, "suite", number))
        result = _FUZZ["load_apart"](path)
        what, escaped = _FUZZ["judge"](result)
        assert not escaped, (number, what, result)

"""Import torchvision without PyTorch's compiler, which takes 3 of the 9 seconds of a command (PyTorch 2.15)."""

import sys
from contextlib import suppress
from types import ModuleType

_PACKAGE = "torch._dynamo"
_MODULE = f"{_PACKAGE}.utils"


def import_torchvision() -> None:
    """Import torchvision with a stand-in for the one compiler function that it imports.

    `roi_align` calls it on some devices only; then the compiler is imported after all.
    """
    if "torchvision" in sys.modules or _PACKAGE in sys.modules:
        return
    stand_ins = {_PACKAGE: ModuleType(_PACKAGE), _MODULE: ModuleType(_MODULE)}
    stand_ins[_MODULE].is_compile_supported = _is_compile_supported  # type: ignore[attr-defined]
    sys.modules.update(stand_ins)
    try:
        # Other versions may need more of it; then torchvision is imported in full later.
        with suppress(ImportError, AttributeError):
            import torchvision  # noqa: F401
    finally:
        for name, stand_in in stand_ins.items():
            if sys.modules.get(name) is stand_in:
                del sys.modules[name]


def _is_compile_supported(device_type: str) -> bool:
    from torch._dynamo.utils import is_compile_supported

    return is_compile_supported(device_type)

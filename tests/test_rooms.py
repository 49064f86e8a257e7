"""Rooms import only those below them, no module imports itself by way of others, and the commands use public names."""

import ast
from pathlib import Path

import pytest

import sk_emotion

PACKAGE = Path(sk_emotion.__file__).parent

# From the first step of the data's way to the last; the root's lazy __init__ is no room.
ROOMS = [
    *("exceptions", "emotions", "utils", "_images", "augmentation", "networks"),
    *("preprocessing", "feature_extraction", "over_sampling", "_kernel_solver", "svm", "_reports"),
    *("leakage", "datasets", "_training", "classifier", "baselines"),
    *("metrics", "model_selection", "inspection", "persistence", "pretrained", "prediction", "cli", "__main__"),
]


def list_modules():
    """Map names of modules, as tuples, to their files."""
    files = {path.relative_to(PACKAGE).with_suffix("").parts: path for path in PACKAGE.rglob("*.py")}
    return {name[:-1] if name[-1] == "__init__" else name: path for name, path in files.items()}


MODULES = list_modules()


def list_imports(module):
    """List what a module imports of the package, wherever in it: (module, name) pairs."""
    path = MODULES[module]
    package = module if path.name == "__init__.py" else module[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found = [(tuple(alias.name.split(".")), None) for alias in node.names]
            yield from ((name[1:], None) for name, _ in found if name[0] == "sk_emotion")
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else ("",)
            target = (*start, *(node.module or "").split(".")) if node.module else start
            if not node.level:
                if node.module.partition(".")[0] != "sk_emotion":
                    continue
                target = tuple(node.module.split("."))[1:]
            for alias in node.names:
                whole = (*target, alias.name)
                yield (whole, None) if whole in MODULES else (target, alias.name)


IMPORTS = {module: sorted(set(list_imports(module)), key=str) for module in MODULES}


def test_every_room_is_listed():
    assert {module[0] for module in MODULES if module} == set(ROOMS)


def test_imports_are_found():
    assert (("_images", "_validation"), "validate_images") in IMPORTS["_training", "_fit"]
    assert (("networks",), "ResNet") in IMPORTS["pretrained", "_load"]
    assert sum(map(len, IMPORTS.values())) > 500


@pytest.mark.parametrize("module", [module for module in MODULES if module], ids=".".join)
def test_module_imports_no_room_above_its_own(module):
    rank = ROOMS.index(module[0])
    assert [(target, name) for target, name in IMPORTS[module] if target and ROOMS.index(target[0]) > rank] == []


def test_no_module_imports_itself_by_way_of_others():
    waiting = {module: {target for target, _ in IMPORTS[module] if target and target != module} for module in MODULES}
    while free := [module for module, targets in waiting.items() if not targets & waiting.keys()]:
        for module in free:
            del waiting[module]
    assert {".".join(module) for module in waiting} == set()


@pytest.mark.parametrize("module", [module for module in MODULES if module[:1] == ("cli",)], ids=".".join)
def test_command_imports_only_public_names_of_other_rooms(module):
    outside = [(*target, name or "") for target, name in IMPORTS[module] if target[:1] != ("cli",)]
    private = [path for path in outside if any(part.startswith("_") and part != "__version__" for part in path)]
    assert private == []

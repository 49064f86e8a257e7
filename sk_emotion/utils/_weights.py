"""Read and write the weights and descriptions of the included models."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

FOLDER = Path(__file__).parents[1] / "pretrained"

# The only metadata key in the safetensors header.
_KEY = "sk_emotion"


def list_weights() -> list[str]:
    """Return the names of the included models."""
    return sorted(path.stem for path in FOLDER.glob("*.safetensors"))


def read_weights(name: Any) -> tuple[dict[str, "torch.Tensor"], dict[str, Any]]:
    """Read the weights of a model in single precision, and the description saved with them.

    Raises
    ------
    ValueError
        If no included model has this name.
    """
    from safetensors import safe_open

    if name not in list_weights():
        raise ValueError(f"pretrained={name!r:.60} is not an included model. Choose from {list_weights()}.")
    with safe_open(FOLDER / f"{name}.safetensors", framework="pt") as file:
        weights = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dict
        about = json.loads(file.metadata()[_KEY])
    return {key: value.float() if value.is_floating_point() else value for key, value in weights.items()}, about


def write_weights(name: str, weights: dict[str, "torch.Tensor"], about: dict[str, Any]) -> Path:
    """Write weights in half precision, which does not change the scores, and their description."""
    from safetensors.torch import save_file

    path = FOLDER / f"{name}.safetensors"
    halved = {
        key: (value.half() if value.is_floating_point() else value).contiguous() for key, value in weights.items()
    }
    save_file(halved, path, metadata={_KEY: json.dumps(about)})
    path.chmod(0o644)
    return path

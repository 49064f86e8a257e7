"""The training's place on a progress bar."""

from collections.abc import Callable
from typing import Any

from skorch.callbacks import Callback


class ShowEpochs(Callback):
    """Moves a bar on after each epoch.

    Parameters
    ----------
    advance : callable
        Takes a number of epochs and a text.
    """

    def __init__(self, advance: Callable[[int, str], None]):
        self.advance = advance

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        """Skip the epochs that a checkpoint spares."""
        self.advance(len(net.history), "Training")

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Tell how the epoch went."""
        last = net.history[-1]
        scores = {"loss": last["train_loss"], "validation F1": last.get("valid_f1_macro")}
        told = ", ".join(f"{name} {value:.3f}" for name, value in scores.items() if value is not None)
        self.advance(1, f"Training: {told}")

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Name nothing: with a bar or without, it is the same training."""
        return {}

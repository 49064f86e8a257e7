"""Progress bar of training."""

from collections.abc import Callable
from typing import Any

from skorch.callbacks import Callback


class ShowEpochs(Callback):
    """Advance a progress bar after each epoch.

    Parameters
    ----------
    advance : callable
        Called with a number of epochs and a description.
    """

    def __init__(self, advance: Callable[[int, str], None]):
        self.advance = advance

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        """Advance past the epochs of a resumed checkpoint."""
        self.advance(len(net.history), "Training")

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Show the scores of the epoch."""
        last = net.history[-1]
        scores = {"loss": last["train_loss"], "validation F1": last.get("valid_f1_macro")}
        shown = ", ".join(f"{name} {value:.3f}" for name, value in scores.items() if value is not None)
        self.advance(1, f"Training: {shown}")

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return no parameters: the progress bar does not affect training or its checkpoints."""
        return {}

"""Progress bar of training, in a module of its own, since skorch takes seconds to import."""

from collections.abc import Callable
from typing import Any

from skorch.callbacks import Callback


class ShowEpochs(Callback):
    """Advance a progress bar after each epoch."""

    def __init__(self, advance: Callable[..., None]):
        self.advance = advance

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        # The epochs of a resumed checkpoint.
        self.advance(len(net.history), "Training")

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        last = net.history[-1]
        scores = {"loss": last["train_loss"], "validation F1": last.get("valid_f1_macro")}
        shown = ", ".join(f"{name} {value:.3f}" for name, value in scores.items() if value is not None)
        self.advance(1, f"Training: {shown}")

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return no parameters: the progress bar does not affect training or its checkpoints."""
        return {}

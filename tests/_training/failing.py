"""Callbacks that stop a training."""

from skorch.callbacks import Callback


class FailAt(Callback):
    """Raise an error at the beginning of an epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == self.epoch:
            raise RuntimeError("power cut")

    def get_params(self, deep=True):
        return {}


class InterruptAt(Callback):
    """Raise KeyboardInterrupt in the middle of an epoch, like a killed process."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_batch_end(self, net, **kwargs):
        if len(net.history) == self.epoch:
            raise KeyboardInterrupt

    def get_params(self, deep=True):
        return {}

"""The optimizer of a net: its class, learning rate and weight decay."""

import functools
import inspect
from numbers import Real
from typing import Any

import torch

from ..exceptions import ParameterError

# With the default schedule, on 600 to 28,709 faces; figures are in benchmarks/README.md.
_AUTO = {"sgd": {"lr": 0.05, "weight_decay": 5e-4}, "adamw": {"lr": 2e-3, "weight_decay": 0.05}}

# Pretrained weights are lost at the rate from scratch: AdamW moves each weight by up to its rate in every step.
_FINE_TUNING = {"sgd": 0.05, "adamw": 5e-4}


def describe_optimizer(clf: Any) -> dict[str, Any]:
    """Return skorch's arguments for the optimizer, limited to those in its signature."""
    optimizer = {"sgd": torch.optim.SGD, "adamw": torch.optim.AdamW}.get(clf.optimizer, clf.optimizer)
    try:
        parameters = dict(inspect.signature(optimizer).parameters)
    except (TypeError, ValueError):
        parameters = {}
    bound = optimizer.keywords if isinstance(optimizer, functools.partial) else {}
    rate, decay = clf.learning_rate, clf.weight_decay
    shares: dict[str, float] = getattr(clf.network_, "learning_rates", dict)()
    if isinstance(clf.optimizer, str):
        # A class or function has defaults of its own.
        if rate == "auto":
            rate = _FINE_TUNING[clf.optimizer] if shares else _AUTO[clf.optimizer]["lr"]
        decay = _AUTO[clf.optimizer]["weight_decay"] if decay == "auto" else decay
    elif rate == "auto":
        rate = _read_default_rate(optimizer, parameters)
    elif "lr" in bound:
        raise ParameterError(f"optimizer binds lr={bound['lr']!r}. Pass learning_rate={bound['lr']!r} instead.")
    offered = {"lr": rate, "weight_decay": decay}
    if clf.optimizer == "sgd":
        offered |= {"momentum": clf.momentum, "nesterov": clf.momentum > 0}
    if isinstance(clf.optimizer, str):
        # One kernel for all weights.
        offered["fused"] = True
        optimizer = _without_compiler(optimizer)
    taken = parameters.keys() - bound.keys()
    arguments = {f"optimizer__{name}": value for name, value in offered.items() if name in taken and value != "auto"}
    if shares:
        arguments["optimizer__param_groups"] = [(pattern, {"lr": share * rate}) for pattern, share in shares.items()]
    return {"optimizer": optimizer, "lr": rate, **arguments}


def _read_default_rate(optimizer: Any, parameters: dict[str, inspect.Parameter]) -> float:
    """Return the learning rate in the signature of an optimizer class or function."""
    parameter = parameters.get("lr")
    if parameter is None or isinstance(parameter.default, Real):
        # Without this parameter, building the optimizer fails.
        return 0.0 if parameter is None else float(parameter.default)
    raise ParameterError(
        f"optimizer={getattr(optimizer, '__name__', repr(optimizer))} has no default for lr. Pass a number as "
        "learning_rate."
    )


def _without_compiler(optimizer: type[torch.optim.Optimizer]) -> type[torch.optim.Optimizer]:
    """Return an optimizer whose methods do not import PyTorch's compiler: 140 MB, and seconds in each process.

    Their decorators import it only to exclude them from compilation (measured, PyTorch 2.15).
    """
    names = ("add_param_group", "load_state_dict", "state_dict", "zero_grad")
    plain: dict[str, Any] = {name: inspect.unwrap(getattr(optimizer, name)) for name in names}
    plain["step"] = torch.no_grad()(inspect.unwrap(optimizer.step))
    return type(optimizer.__name__, (optimizer,), plain)

"""The classic nets in PyTorch, one file each, and the one door through which they are made."""

import difflib
from typing import Any

from torch import nn

from dlbook_utils.models import lenet


def _lenet5_1998(num_classes: int = 10) -> nn.Module:
    if num_classes != 10:
        raise ValueError("lenet5_1998 has codes for the ten digits only: use num_classes=10, or lenet5")
    return lenet.LeNet5_1998()


_MODELS = {
    "lenet5": lenet.LeNet5,
    "lenet5_1998": _lenet5_1998,
}


def get_model(name: str, num_classes: int = 10, **options: Any) -> nn.Module:
    """Make the net called `name`, by torchvision's name where it has the net, with fresh weights.

    - `lenet5`: today's form, 61,706 parameters; `input_size=28` (the default, pads by 2) or `32`.
    - `lenet5_1998`: the published net, 60,000 parameters, 32x32 images, ten digits.

    An unknown name is a ValueError that lists the names.
    """
    if name not in _MODELS:
        close = difflib.get_close_matches(name, _MODELS, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"no net is called {name!r}.{hint} The names are: {', '.join(sorted(_MODELS))}")
    return _MODELS[name](num_classes=num_classes, **options)

"""LeNet-5, twice: as it was published in 1998, and in the form that is called LeNet today.

Source: LeCun, Bottou, Bengio & Haffner, *Gradient-based learning applied to document recognition*, Proceedings of the
IEEE 86(11), 1998, doi:10.1109/5.726791, sections II.B and II.C. Taught in *LeNet* (chapters/imagenet/lenet.ipynb).
"""

import torch
import torch.nn.functional as F
from torch import nn


class LeNet5(nn.Module):
    """LeNet-5 in today's form: (N, 1, 28, 28) or (N, 1, 32, 32) -> logits (N, num_classes); 61,706 parameters for ten.

    Every map of `conv2` sees all six maps, pooling is a plain average, the output layer is dense. `input_size` 28 pads
    by 2, so that both sizes lead to the same maps; anything else is a ValueError.
    """

    def __init__(self, num_classes: int = 10, input_size: int = 28):
        super().__init__()
        if input_size not in (28, 32):
            raise ValueError(f"LeNet-5 takes images of side 28 or 32, not {input_size}")
        self.conv1 = nn.Conv2d(1, 6, kernel_size=5, padding=(32 - input_size) // 2)
        self.pool1 = nn.AvgPool2d(2)
        self.conv2 = nn.Conv2d(6, 16, kernel_size=5)
        self.pool2 = nn.AvgPool2d(2)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, num_classes)

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Return the logits."""
        h = self.pool1(torch.tanh(self.conv1(X)))  # (N, 6, 14, 14)
        h = self.pool2(torch.tanh(self.conv2(h)))  # (N, 16, 5, 5)
        h = torch.tanh(self.fc1(h.flatten(1)))  # (N, 120)
        h = torch.tanh(self.fc2(h))  # (N, 84)
        return self.fc3(h)


# Table I of the paper: the maps of S2 that each of the sixteen maps of C3 is connected to
C3_TABLE = (
    [[0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5], [0, 4, 5], [0, 1, 5]]
    + [[0, 1, 2, 3], [1, 2, 3, 4], [2, 3, 4, 5]]
    + [[0, 3, 4, 5], [0, 1, 4, 5], [0, 1, 2, 5]]
    + [[0, 1, 3, 4], [1, 2, 4, 5], [0, 2, 3, 5]]
    + [[0, 1, 2, 3, 4, 5]]
)

# Ten digits on a 7 x 12 bitmap, drawn for this book after the manner of the paper's figure 3
BITMAPS = """
....... ....... ....... ....... ....... ....... ....... ....... ....... .......
..###.. ...##.. .#####. .#####. ....##. ####### ..####. ####### .#####. .#####.
.##.##. ..###.. ##...## ##...## ...###. ##..... .##.... .....## ##...## ##...##
##...## .####.. .....## .....## ..####. ##..... ##..... ....##. ##...## ##...##
##...## ...##.. ....##. .....## .##.##. ######. ######. ....##. .#####. ##...##
##...## ...##.. ...##.. ..####. ##..##. .....## ##...## ...##.. ##...## .######
##...## ...##.. ..##... .....## ####### .....## ##...## ...##.. ##...## .....##
##...## ...##.. .##.... .....## ....##. .....## ##...## ..##... ##...## .....##
.##.##. ...##.. ##..... ##...## ....##. ##...## ##...## ..##... ##...## ....##.
..###.. .###### ####### .#####. ....##. .#####. .#####. ..##... .#####. .####..
....... ....... ....... ....... ....... ....... ....... ....... ....... .......
....... ....... ....... ....... ....... ....... ....... ....... ....... .......
"""


def scaled_tanh(a: torch.Tensor) -> torch.Tensor:
    """The squashing function of the paper, `1.7159 tanh(2 a / 3)`: it maps 1 to 1 and -1 to -1. Any shape."""
    return 1.7159 * torch.tanh(2 / 3 * a)


class Subsampling(nn.Module):
    """Layers S2 and S4: the sum of each 2x2 block times a gain plus a bias, one of each per map.

    (N, C, H, W) -> (N, C, H/2, W/2); it starts as the block's mean.
    """

    def __init__(self, num_maps: int):
        super().__init__()
        self.gain = nn.Parameter(torch.full((num_maps, 1, 1), 0.25))
        self.bias = nn.Parameter(torch.zeros(num_maps, 1, 1))

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Return the scaled and shifted block sums."""
        return self.gain * F.avg_pool2d(X, 2, divisor_override=1) + self.bias


class PartialConv2d(nn.Module):
    """Layer C3: row i of `table` lists the input maps that output map i sees; a kernel an entry, a bias a row.

    (N, C, H, W) -> (N, F, H-k+1, W-k+1).
    """

    def __init__(self, num_inputs: int, table: list[list[int]], k: int):
        super().__init__()
        self.pairs = [(i, c) for i, sources in enumerate(table) for c in sources]
        self.shape = (len(table), num_inputs, k, k)
        a = (num_inputs * k * k) ** -0.5
        self.weight = nn.Parameter(torch.empty(len(self.pairs), k, k).uniform_(-a, a))
        self.bias = nn.Parameter(torch.empty(len(table)).uniform_(-a, a))

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Return the feature maps: an ordinary convolution whose missing kernels are zero."""
        places = tuple(torch.tensor(self.pairs).T)
        kernels = X.new_zeros(self.shape).index_put(places, self.weight)
        return F.conv2d(X, kernels, self.bias)


class RBF(nn.Module):
    """Output layer: squared distances of `h` (N, D) to the fixed `codes` (K, D), one penalty per class (N, K)."""

    def __init__(self, codes: torch.Tensor):
        super().__init__()
        self.register_buffer("codes", codes)

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        """Return the penalties, all of them at least 0."""
        return ((h[:, None, :] - self.codes) ** 2).sum(dim=2)


def digit_codes() -> torch.Tensor:
    """The ten bitmaps as targets for F6: (10, 84) of +1 (ink) and -1 (paper), each digit read row by row."""
    rows = [line.split() for line in BITMAPS.split("\n") if line]
    digits = ["".join(row[d] for row in rows) for d in range(10)]
    ink = torch.tensor([[pixel == "#" for pixel in digit] for digit in digits])
    return 2.0 * ink - 1.0


class LeNet5_1998(nn.Module):
    """LeNet-5 as published, 60,000 parameters: (N, 1, 32, 32) -> scores (N, 10), which are minus the RBF penalties.

    Partial connection table in C3, trainable subsampling, scaled tanh, fixed codes for the ten digits. Larger images
    give larger maps up to C5 (see `maps`); `forward` takes 32x32 only, because F6 is dense. The weights start as
    PyTorch draws them.
    """

    def __init__(self):
        super().__init__()
        self.c1 = nn.Conv2d(1, 6, kernel_size=5)
        self.s2 = Subsampling(6)
        self.c3 = PartialConv2d(6, C3_TABLE, k=5)
        self.s4 = Subsampling(16)
        self.c5 = nn.Conv2d(16, 120, kernel_size=5)
        self.f6 = nn.Linear(120, 84)
        self.output = RBF(digit_codes())

    def maps(self, X: torch.Tensor) -> torch.Tensor:
        """Return the 120 maps of C5: (N, 120, 1, 1) for a 32x32 image."""
        h = scaled_tanh(self.s2(scaled_tanh(self.c1(X))))  # (N, 6, 14, 14)
        h = scaled_tanh(self.s4(scaled_tanh(self.c3(h))))  # (N, 16, 5, 5)
        return scaled_tanh(self.c5(h))

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Return the scores: the largest one names the digit."""
        h = scaled_tanh(self.f6(self.maps(X).flatten(1)))  # (N, 84)
        return -self.output(h)


def map_criterion(scores: torch.Tensor, y: torch.Tensor, j: float = 1.0) -> torch.Tensor:
    """The paper's MAP loss (its equation 9) of scores (N, K), which are minus the penalties, against classes `y` (N,).

    It is the cross-entropy with one class more, "none of them", whose penalty is always `j` > 0.
    """
    rubbish = torch.full_like(scores[:, :1], -j)
    return F.cross_entropy(torch.cat([scores, rubbish], dim=1), y)

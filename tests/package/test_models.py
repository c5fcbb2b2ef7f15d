"""The classic nets: their published numbers, exactly, and their parts against plain arithmetic."""

import pytest
import torch
import torch.nn.functional as F

from dlbook_utils import checks, models
from dlbook_utils.models import lenet
from dlbook_utils.models.summary import layer_table, record


def test_get_model_lists_the_names_when_misspelt():
    with pytest.raises(ValueError, match="Did you mean 'lenet5'.*lenet5, lenet5_1998"):
        models.get_model("lenet_5")
    with pytest.raises(ValueError, match="ten digits"):
        models.get_model("lenet5_1998", num_classes=26)
    with pytest.raises(ValueError, match="side 28 or 32, not 64"):
        models.get_model("lenet5", input_size=64)


@pytest.mark.parametrize("size", [28, 32])
def test_lenet5_has_the_published_numbers(size):
    net = models.get_model("lenet5", input_size=size)
    table = layer_table(net, torch.zeros(2, 1, size, size))
    assert [(row.name, row.shape, row.parameters, row.multiply_adds) for row in table] == [
        ("conv1", (6, 28, 28), 156, 117_600),
        ("pool1", (6, 14, 14), 0, 0),
        ("conv2", (16, 10, 10), 2_416, 240_000),
        ("pool2", (16, 5, 5), 0, 0),
        ("fc1", (120,), 48_120, 48_000),
        ("fc2", (84,), 10_164, 10_080),
        ("fc3", (10,), 850, 840),
    ]
    assert checks.count_parameters(net) == 61_706
    assert sum(row.multiply_adds for row in table) == 416_520
    assert checks.count_parameters(models.get_model("lenet5", num_classes=62)) == 61_706 + 52 * 85


def test_lenet5_1998_has_the_published_numbers():
    net = models.get_model("lenet5_1998")
    table = layer_table(net, torch.zeros(1, 1, 32, 32))
    assert [(row.name, row.shape, row.parameters, row.multiply_adds) for row in table] == [
        ("c1", (6, 28, 28), 156, 117_600),
        ("s2", (6, 14, 14), 12, 0),
        ("c3", (16, 10, 10), 1_516, 150_000),
        ("s4", (16, 5, 5), 32, 0),
        ("c5", (120, 1, 1), 48_120, 48_000),
        ("f6", (84,), 10_164, 10_080),
        ("output", (10,), 0, 0),
    ]
    assert checks.count_parameters(net) == 60_000


def test_lenet5_1998_has_the_published_connections():
    connections = {}
    for name, layer in record(models.get_model("lenet5_1998"), torch.randn(1, 1, 32, 32)).items():
        units, inputs = layer.output.numel(), layer.input.numel()
        jacobian = (torch.func.jacrev if units < inputs else torch.func.jacfwd)(layer.module)(layer.input)
        connections[name] = int((jacobian != 0).sum()) + (units if hasattr(layer.module, "bias") else 0)
    published = {"c1": 122_304, "s2": 5_880, "c3": 151_600, "s4": 2_000, "c5": 48_120, "f6": 10_164, "output": 840}
    assert connections == published
    assert sum(connections.values()) == 340_908


def test_connection_table_is_that_of_the_paper():
    sizes = [len(sources) for sources in lenet.C3_TABLE]
    assert sizes == [3] * 6 + [4] * 9 + [6]
    ring = [{i % 6 for i in range(start, start + n)} for n in (3, 4) for start in range(6)]
    assert [set(sources) for sources in lenet.C3_TABLE[:12]] == ring
    assert [set(sources) for sources in lenet.C3_TABLE[12:15]] == [{0, 1, 3, 4}, {1, 2, 4, 5}, {0, 2, 3, 5}]
    assert all(sum(m in sources for sources in lenet.C3_TABLE) == 10 for m in range(6))


def test_partial_convolution_sees_its_maps_and_no_others():
    table = [[0, 2], [1]]
    layer = lenet.PartialConv2d(3, table, k=3).double()
    X = torch.randn(2, 3, 5, 6, dtype=torch.float64)
    Z = layer(X)
    first = F.conv2d(X[:, [0, 2]], layer.weight[:2][None], layer.bias[:1])
    second = F.conv2d(X[:, [1]], layer.weight[2:][None], layer.bias[1:])
    torch.testing.assert_close(Z, torch.cat([first, second], dim=1), rtol=0, atol=1e-12)
    Z.sum().backward()
    assert layer.weight.grad.abs().min() > 0


def test_codes_are_ten_different_bitmaps_of_signs():
    codes = lenet.digit_codes()
    assert codes.shape == (10, 84) and set(codes.unique().tolist()) == {-1.0, 1.0}
    different = (codes[:, None] != codes).sum(dim=2) + 84 * torch.eye(10)
    assert different.min() >= 8


def test_rbf_scaled_tanh_and_subsampling_are_their_formulas():
    codes, h = torch.randn(4, 7), torch.randn(3, 7)
    torch.testing.assert_close(lenet.RBF(codes)(h), torch.cdist(h, codes) ** 2, rtol=1e-4, atol=1e-4)
    assert not list(lenet.RBF(codes).parameters())
    assert lenet.scaled_tanh(torch.tensor([1.0, -1.0, 100.0])).tolist() == pytest.approx([1, -1, 1.7159], abs=1e-4)
    layer = lenet.Subsampling(1)
    layer.gain.data.fill_(3)
    layer.bias.data.fill_(5)
    assert layer(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])).item() == 3 * 10 + 5


def test_map_criterion_is_equation_9_of_the_paper():
    penalties, y, j = torch.rand(5, 10) * 8, torch.tensor([0, 3, 9, 3, 5]), 2.0
    by_hand = penalties[range(5), y] + torch.log(torch.exp(torch.tensor(-j)) + torch.exp(-penalties).sum(dim=1))
    torch.testing.assert_close(lenet.map_criterion(-penalties, y, j), by_hand.mean())
    assert torch.isfinite(lenet.map_criterion(torch.full((1, 10), -1e4), torch.tensor([0])))


def test_original_answers_at_several_places_of_a_larger_image():
    net = models.get_model("lenet5_1998")
    X = torch.randn(1, 1, 36, 36)
    maps = net.maps(X)
    assert maps.shape == (1, 120, 2, 2)
    torch.testing.assert_close(maps[:, :, 1:, :1], net.maps(X[:, :, 4:, :32]), rtol=0, atol=1e-5)


def test_record_takes_its_hooks_off_again_and_runs_without_gradients():
    net = models.get_model("lenet5")
    seen = record(net, torch.zeros(1, 1, 28, 28))
    assert list(seen) == ["conv1", "pool1", "conv2", "pool2", "fc1", "fc2", "fc3"]
    assert not any(module._forward_hooks for module in net.modules())
    assert all(p.grad is None for p in net.parameters()) and not seen["fc3"].output.requires_grad

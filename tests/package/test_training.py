"""The loop, the clock and the budget."""

import time

import pytest
import torch
from torch import nn

from dlbook_utils import training


def xor_data():
    X = torch.randn(400, 2, generator=torch.Generator().manual_seed(0))
    return X, (X[:, 0] * X[:, 1] > 0).long()


def make_net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))


def test_pick_device_prints_one_line_and_budget_follows_it(capsys):
    device = training.pick_device()
    assert capsys.readouterr().out.count("\n") == 1
    assert training.budget(cpu="small", gpu="large", device="cpu") == "small"
    assert training.budget(cpu="small", gpu="large", device="cuda") == "large"
    assert training.budget(cpu=1, gpu=2) == (1 if device.type == "cpu" else 2)


def test_fit_is_the_loop_written_out():
    X, y = xor_data()
    net, twin = make_net(), make_net()
    history = training.fit(net, X, y, epochs=2, batch_size=100, lr=0.5, seed=3)
    order, losses = torch.Generator().manual_seed(3), []
    for _ in range(2):
        for batch in torch.randperm(400, generator=order).split(100):
            loss = nn.functional.cross_entropy(twin(X[batch]), y[batch])
            grads = torch.autograd.grad(loss, list(twin.parameters()))
            with torch.no_grad():
                for p, g in zip(twin.parameters(), grads, strict=True):
                    p -= 0.5 * g
            losses.append(loss.item())
    for p, q in zip(net.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=0, atol=1e-6)
    assert history["loss"] == pytest.approx([sum(losses[:4]) / 4, sum(losses[4:]) / 4], abs=1e-6)


def test_fit_learns_and_reports_test_accuracy():
    X, y = xor_data()
    net = make_net()
    adam = torch.optim.Adam(net.parameters(), lr=0.03)
    history = training.fit(net, X, y, epochs=20, optimizer=adam, test=(X, y))
    assert len(history["loss"]) == len(history["test_accuracy"]) == 20
    assert history["test_accuracy"][-1] > 0.95 > history["test_accuracy"][0]
    assert history["test_accuracy"][-1] == training.accuracy(net, X, y, batch_size=7)


def test_fit_says_what_is_wrong():
    X, y = xor_data()
    with pytest.raises(ValueError, match="either lr"):
        training.fit(make_net(), X, y, epochs=1)
    with pytest.raises(ValueError, match="400 rows"):
        training.fit(make_net(), X, y[:-1], epochs=1, lr=0.1)
    with pytest.raises(FloatingPointError, match="smaller learning rate"):
        training.fit(make_net(), X * float("inf"), y, epochs=3, lr=0.1)


def test_accuracy_evaluates_and_restores_the_mode():
    net = nn.Sequential(nn.Dropout(0.99), nn.Identity())
    X, y = torch.eye(10), torch.arange(10)
    net.train()
    assert training.accuracy(net, X, y) == 1.0
    assert net.training
    net.eval()
    training.accuracy(net, X, y)
    assert not net.training


def test_clocks_tell_the_time():
    with training.timed() as clock:
        time.sleep(0.02)
    assert 0.02 <= clock.seconds < 2
    assert 0.005 <= training.measure(lambda: time.sleep(0.005), repeats=2) < 1
    with pytest.raises(ValueError, match="repeats"):
        training.measure(lambda: None, repeats=0)


def test_to_tensors_chooses_the_types():
    X, y = training.to_tensors(torch.zeros(2, dtype=torch.float64).numpy(), torch.zeros(2, dtype=torch.int32))
    assert X.dtype == torch.float32 and y.dtype == torch.int64


@pytest.mark.parametrize("mode", ["static", "check"])
def test_progress_is_silent_when_the_book_is_built(mode, monkeypatch, capsys):
    monkeypatch.setenv("DLBOOK_EXPLORE", mode)
    numbers = range(3)
    assert training.progress(numbers, "x") is numbers
    assert capsys.readouterr() == ("", "")


def test_progress_shows_a_bar_where_a_reader_watches(monkeypatch, capsys):
    monkeypatch.setattr(training, "_shows_progress", lambda: True)
    assert list(training.progress([1, 2], "epoch")) == [1, 2]
    assert "epoch" in capsys.readouterr().err

"""PyTorch's module, and its learning rates against PyTorch's own schedule."""
import numpy as np
import pytest
import torch
from contract import ADAMW, TRAIN, Contract, uniform

from unrolled.frameworks import arrays, experiment
from unrolled.frameworks import torch as framework
from unrolled.layers.parameters import from_torch
from unrolled.models import load, save
from unrolled.text import Vocabulary


class TestTorch(Contract):
    framework, packages, foreign = framework, ("torch",), np.zeros((2, 1), "int32")

    def array(self, value):
        return torch.from_numpy(np.asarray(value)).to(framework.choose_device())

    def numpy(self, value):
        return value.detach().cpu().numpy()

    def differentiate(self, layer, inputs, state, probe, state_probes):
        inputs = self.array(inputs)
        if inputs.is_floating_point():
            inputs.requires_grad_()
        state = None if state is None else tuple(self.array(value).requires_grad_() for value in state)
        outputs, final = layer(inputs, state)
        loss = (outputs * self.array(probe)).sum() + sum((s * self.array(p)).sum() for s, p in zip(final, state_probes))
        loss.backward()
        if hasattr(layer, "rnn"):                 # the bias that does not learn has no gradient: it would be the other's
            layer.rnn.bias_hh_l0.grad = layer.rnn.bias_ih_l0.grad
            gradients = from_torch(layer.rnn, gradients=True)
        else:
            gradients = {name: p.grad for name, p in layer.named_parameters()}
        return (self.numpy(outputs), tuple(map(self.numpy, final)), {name: self.numpy(g) for name, g in gradients.items()},
                None if inputs.grad is None else self.numpy(inputs.grad), state and tuple(self.numpy(s.grad) for s in state))

    def first_values(self, weights):
        for name, value in weights.items():
            if name.startswith("layers.0.b"):                 # the sum of torch's two
                assert np.abs(value).max() < 2 * 40 ** -0.5 and value.std() == pytest.approx(np.sqrt(2 / 3 / 40), rel=0.3), name
            else:
                uniform(value, 40 ** -0.5, name)

    def logits(self, model, tokens, training):
        return self.numpy(model.train(training)(self.array(tokens))[0])


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 10, 632])
def test_rates_are_torchs_one_cycle(steps):
    settings = experiment.Settings(epochs=1, batch_size=1, optimizer="sgd", lr=0.3, one_cycle=True)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.3, total_steps=steps, cycle_momentum=False)
    for step in range(steps):
        assert settings.rate(step, steps) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)
        optimizer.step()
        if step < steps - 1:
            scheduler.step()


def test_a_saved_model_is_read_without_torch(tmp_path):
    vocab = Vocabulary(list("an owl"))
    for kind in framework.KINDS:
        weights = arrays.draw(len(vocab), 4, seed=2)
        save(framework.from_arrays(weights, kind), vocab, tmp_path / kind)
        for name, value in arrays.load_arrays(tmp_path / kind).items():
            np.testing.assert_array_equal(value, weights[name], strict=True)
        arrays.save_arrays(weights, tmp_path / f"{kind}.arrays")
        with pytest.raises(ValueError):                       # arrays alone: there is no vocabulary
            load(tmp_path / f"{kind}.arrays")


@pytest.mark.parametrize("device, words", [("cpu", "the processor"), ("cuda", "NVIDIA H100 (CUDA)"),
                                           ("mps", "Apple's GPU (MPS)")])
def test_device_in_words(monkeypatch, device, words):
    monkeypatch.setattr(framework, "choose_device", lambda: torch.device(device))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda where: "NVIDIA H100")
    assert framework.device() == words


def test_the_second_bias_does_not_learn():
    """Else the sum of torch's two biases would move twice as far as the one of the equations."""
    model = framework.from_arrays(arrays.draw(6, 5), "concise")
    framework.train(model, TRAIN, None, ADAMW)
    assert not model.layer.rnn.bias_hh_l0.any() and model.layer.rnn.bias_ih_l0.all()

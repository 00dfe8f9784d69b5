"""The reference against the golden file, and its training's pieces against what they are said to be."""
import numpy as np
import reference

from unrolled.frameworks import arrays, experiment


def close(actual, expected, tolerance=1e-12):
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


def test_golden():
    golden = reference.golden()
    initial = golden["initial"]["H"], golden["initial"]["C"]
    outputs, (H, C), steps = reference.forward(golden["parameters"], golden["inputs"], initial)
    close(outputs, golden["outputs"])
    close(H, golden["final"]["H"])
    close(C, golden["final"]["C"])
    close((outputs * golden["probe"]).sum(), golden["loss"])
    gradients, d_inputs, (d_H, d_C) = reference.backward(golden["parameters"], steps, golden["probe"])
    assert set(gradients) | {"inputs", "initial"} == set(golden["gradients"])
    for name, gradient in gradients.items():
        close(gradient, golden["gradients"][name])
    close(d_inputs, golden["gradients"]["inputs"])
    close(d_H, golden["gradients"]["initial"]["H"])
    close(d_C, golden["gradients"]["initial"]["C"])


def test_tokens_are_their_one_hot_vectors():
    weights = reference.layer(arrays.draw(5, 3, dtype="float64"))
    tokens = np.random.default_rng(0).integers(0, 5, (4, 2))
    for a, b in zip(reference.forward(weights, tokens)[:2], reference.forward(weights, np.eye(5)[tokens])[:2]):
        np.testing.assert_array_equal(a, b)


def test_gradient_of_the_loss_is_its_difference():
    weights = arrays.draw(5, 3, seed=1, dtype="float64")
    tokens, targets = np.random.default_rng(0).integers(0, 5, (2, 4, 3))
    gradients = reference.loss(weights, tokens, targets)[1]
    assert set(gradients) == set(weights)
    for name, gradient in gradients.items():
        direction = np.random.default_rng(2).normal(size=gradient.shape)
        up, down = (reference.loss(weights | {name: weights[name] + step * direction}, tokens, targets)[0]
                    for step in (1e-5, -1e-5))
        close((up - down) / 2e-5, (gradient * direction).sum(), 1e-8)


def test_gradient_through_the_last_state():
    weights, random = reference.layer(arrays.draw(3, 2, seed=1, dtype="float64")), np.random.default_rng(0)
    inputs, state = random.normal(size=(3, 4, 3)), random.normal(size=(2, 4, 2))
    probes = random.normal(size=(2, 4, 2))
    value = lambda state: (np.stack(reference.forward(weights, inputs, state)[1]) * probes).sum()    # noqa: E731
    steps = reference.forward(weights, inputs, state)[2]
    _, _, by_state = reference.backward(weights, steps, np.zeros((3, 4, 2)), *probes)
    direction = random.normal(size=state.shape)
    difference = (value(state + 1e-5 * direction) - value(state - 1e-5 * direction)) / 2e-5
    close(difference, (np.stack(by_state) * direction).sum(), 1e-8)


def test_clipping_scales_only_what_is_too_long():
    gradients = {"a": np.array([3.0]), "b": np.array([[4.0]])}
    close([g.item() for g in reference.clipped(gradients, 1).values()], [0.6, 0.8])
    assert reference.clipped(gradients, 6) == gradients


def test_training_learns():
    text = experiment.windows(np.tile(np.arange(4), 30), num_steps=6)
    settings = experiment.Settings(epochs=8, batch_size=16, optimizer="adamw", lr=0.05, one_cycle=True)
    start = arrays.draw(4, 8)
    weights, rows = reference.train(start, text[:80], text[80:], settings)
    assert rows[-1][1] < 0.1 < 1 < reference.evaluate(start, text[80:])
    assert reference.generate(weights, [0, 1], 6) == [2, 3, 0, 1, 2, 3]

"""What one recurrent layer costs, counted: parameters, multiply-adds, and the numbers that memory holds.

Every cell is made of equal boxes, each ``X W_x + H W_h + b``: one in an RNN, three in a GRU, four in an
LSTM (``unrolled.equations``). So a cost is mostly a box's, times the boxes. Letters: d inputs, h hidden
units, T steps, N examples in a batch, g boxes.
"""
from typing import NamedTuple

BOXES = {"rnn": 1, "gru": 3, "lstm": 4}             # products of inputs and of hidden units, a step
STATES = {"rnn": 1, "gru": 1, "lstm": 2}            # what a step hands to the next: H, and the LSTM's C
RECALLED = {"rnn": 0, "gru": 1, "lstm": 0}          # the GRU's H W_hh + b_hh, a value of its own


class Cost(NamedTuple):
    """Counts of one layer: numbers, not bytes. Their definitions are in ``cost``."""

    parameters: int
    stored_parameters: int
    multiply_adds_forward: int
    multiply_adds_backward: int
    training_values: int
    inference_values: int


def check_counts(kind: str = "lstm", **counts: int) -> None:
    """Raise ValueError unless the kind is known and every count is a whole number of at least 1."""
    if kind not in BOXES:
        raise ValueError(f"the kind is one of {', '.join(BOXES)}, not {kind!r}")
    for name, value in counts.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ValueError(f"{name} is a whole number of at least 1, not {value!r}")


def kept_values(kind: str, num_hiddens: int) -> int:
    """How many numbers the backward pass needs from one step of one example: h, 5 h or 6 h.

    Kept are the values of the boxes and the states, so that no product is computed twice. Elementwise
    functions of them can be had again at little cost and are not counted.

    - RNN, 1: ``H``, which is its box's value and its state in one.
    - GRU, 5: ``R``, ``Z``, ``H_tilde``; the state ``H``; and ``H W_hh + b_hh``, which the reset gate scales.
    - LSTM, 6: ``I``, ``F``, ``O``, ``C_tilde``; the states ``C`` and ``H``.

    PyTorch's autograd, on the loops of ``unrolled.layers``, keeps one more in the GRU (``1 - Z``) and one
    more in the LSTM (``tanh(C)``). Inputs are not counted: they lie in memory anyway.

    Raises:
        ValueError: an unknown kind, or a number of hidden units below 1.
    """
    check_counts(kind, num_hiddens=num_hiddens)
    boxes_and_states = {"rnn": 1}.get(kind, BOXES[kind] + STATES[kind])
    return (boxes_and_states + RECALLED[kind]) * num_hiddens


def cost(kind: str, num_inputs: int, num_hiddens: int, steps: int = 1, batch: int = 1, *, tokens: bool = False) -> Cost:
    """Count what one layer costs.

    Args:
        kind: "rnn", "gru" or "lstm".
        num_inputs, num_hiddens: d and h.
        steps, batch: T and N, of one training step, or of as much inference.
        tokens: the inputs are integer tokens, so that their product is a look-up and costs nothing here.

    Returns:
        A ``Cost``, where g is the number of boxes.

        - ``parameters``: g (d h + h h + h), the weights and one bias of each box. The GRU's candidate has a
          second bias, ``b_hh``, because its reset gate acts after the product: h more.
        - ``stored_parameters``: g (d h + h h + 2 h), as torch.nn stores them, with two biases a box.
        - ``multiply_adds_forward``: T N g (d h + h h). Each weight takes part in one multiplication and one
          addition, at each step of each example. A FLOP count is twice as much. Only the products are
          counted; what happens element by element (biases, activations, gates) grows with h, not with
          h h, and is left out.
        - ``multiply_adds_backward``: N g (T d h + T h h + (T - 1) h h). Each product ``Y = X W`` has two in the
          backward pass, one for the gradient of W and one for that of X. Neither the inputs nor the
          first state need a gradient, so those two are left out, as autograd leaves them out. For
          many steps and d well below h that is nearly twice the forward pass. A layer that stands on
          another needs its inputs' gradient, T N g d h more.
        - ``training_values``: T N ``kept_values``, until the backward pass is done (cf. Appleyard et al. 2016,
          who order these products for a GPU).
        - ``inference_values``: N h, for the LSTM 2 N h. The state is all that the next step needs.

    Raises:
        ValueError: an unknown kind, or a count that is no whole number of at least 1.
    """
    check_counts(kind, num_inputs=num_inputs, num_hiddens=num_hiddens, steps=steps, batch=batch)
    d, h, g = num_inputs, num_hiddens, BOXES[kind]
    read = 0 if tokens else d * h                                # the product of the inputs, a box and step
    return Cost(
        parameters=g * (d * h + h * h + h) + RECALLED[kind] * h,
        stored_parameters=g * (d * h + h * h + 2 * h),
        multiply_adds_forward=steps * batch * g * (read + h * h),
        multiply_adds_backward=batch * g * (steps * read + (2 * steps - 1) * h * h),
        training_values=steps * batch * kept_values(kind, h),
        inference_values=batch * STATES[kind] * h,
    )

"""What is random while a recurrent layer learns: the masks of one call, drawn in one place."""
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Noise:
    """How an LSTM is disturbed in training; each number is a probability in [0, 1).

    Args:
        inputs, state: variational dropout (Gal & Ghahramani 2016, section 4.1): of the inputs, and of the hidden state on
            its way into the gates. One mask for all steps. Of tokens it drops whole entries of the vocabulary (4.2).
        node: recurrent dropout without memory loss (Semeniuta et al. 2016): of the input node, anew at each step.
        weights: DropConnect of the recurrent weights (the AWD-LSTM of Merity et al. 2018): one mask for a whole batch.
        zoneout_H, zoneout_C: units that keep their last value at a step (Krueger et al. 2017, section 3). In
            evaluation, where the other kinds are off, each unit takes the mean of both outcomes.

    What dropout leaves is scaled up by 1 / (1 - p), so that the mean stays (Srivastava et al. 2014, section 10).

    Raises:
        ValueError: a number outside [0, 1).
    """

    inputs: float = 0.0
    state: float = 0.0
    node: float = 0.0
    weights: float = 0.0
    zoneout_H: float = 0.0
    zoneout_C: float = 0.0

    def __post_init__(self):
        for name, p in vars(self).items():
            if not 0 <= p < 1:
                raise ValueError(f"{name} is a probability in [0, 1), got {p!r}")

    def draw(self, training: bool, steps: int, batch: int, num_inputs: int, W_h: Tensor) -> dict[str, Tensor]:
        """The masks of one call by their names; those that would change nothing are left out.

        Args:
            W_h: the recurrent weights side by side, (h, gates * h); the masks have its dtype and device.

        Returns:
            ``inputs`` (batch, d), ``state`` (batch, h), ``node`` (steps, batch, h) and ``weights`` (h, gates * h),
            each 0 or 1 / (1 - p); ``zoneout_H`` and ``zoneout_C``, (steps, batch, h), are 1 where the old value
            stays, else 0; in evaluation they are (steps, 1, 1), the probability itself.
        """
        h = W_h.shape[0]
        shapes = {"inputs": (batch, num_inputs), "state": (batch, h), "node": (steps, batch, h), "weights": tuple(W_h.shape),
                  "zoneout_H": (steps, batch, h), "zoneout_C": (steps, batch, h)}
        masks = {}
        for name, p in vars(self).items():
            zoneout = name.startswith("zoneout")
            if p and training:
                hit = torch.rand(shapes[name], dtype=W_h.dtype, device=W_h.device) < p
                masks[name] = hit.to(W_h.dtype) if zoneout else (~hit).to(W_h.dtype) / (1 - p)
            elif p and zoneout:
                masks[name] = W_h.new_full((steps, 1, 1), p)
        return masks

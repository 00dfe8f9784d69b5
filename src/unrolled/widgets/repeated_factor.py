"""One number, many steps: what multiplying by the same weight does."""
import math

import matplotlib.pyplot as plt
import traitlets

from unrolled.figures.palette import COLORS
from unrolled.figures.style import Picture
from unrolled.widgets.base import Widget, module


class RepeatedFactor(Widget):
    """Two sliders, and what is left of the number 1 after so many multiplications.

    Args:
        weight: 0.5 to 1.5, the factor of each step.
        steps: 1 to 100.

    Both are synchronised with the page. Raises ValueError on values outside.
    """

    _esm = module("repeated_factor.mjs")
    weight = traitlets.Float(0.9).tag(sync=True)
    steps = traitlets.Int(50).tag(sync=True)

    def __init__(self, weight: float = 0.9, steps: int = 50, **kwargs):
        super().__init__(weight=weight, steps=steps, **kwargs)

    @traitlets.validate("weight")
    def _check_weight(self, proposal):
        if not (math.isfinite(proposal.value) and 0.5 <= proposal.value <= 1.5):
            raise ValueError(f"the weight lies between 0.5 and 1.5, got {proposal.value!r}")
        return proposal.value

    @traitlets.validate("steps")
    def _check_steps(self, proposal):
        if not 1 <= proposal.value <= 100:
            raise ValueError(f"the steps lie between 1 and 100, got {proposal.value!r}")
        return proposal.value

    def describe(self) -> str:
        return (f"A 1, multiplied by {self.weight:g} at each of {self.steps} steps, becomes "
                f"{self.weight ** self.steps:.3g}.")

    def picture(self) -> Picture:
        fig, ax = plt.subplots(figsize=(4.8, 2.4))
        ax.semilogy([self.weight ** k for k in range(self.steps + 1)], color=COLORS["C"])
        ax.set(xlabel="step", xlim=(0, 100), ylim=(1e-6, 1e6))
        picture = Picture(fig, self.describe())
        plt.close(fig)
        return picture

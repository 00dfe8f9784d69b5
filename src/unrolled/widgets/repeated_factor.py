"""One number, many steps: what multiplying by the same weight does."""
import math
from pathlib import Path

import anywidget
import traitlets


class RepeatedFactor(anywidget.AnyWidget):
    """Two sliders, and what is left of the number 1 after so many multiplications.

    Args:
        weight: 0.5 to 1.5, the factor of each step.
        steps: 1 to 100.

    Both are synchronised with the page. Raises ValueError on values outside.
    """

    _esm = Path(__file__).with_suffix(".mjs")
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

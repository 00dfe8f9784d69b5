"""The mean of the last weights instead of the last weights, and when to begin with it."""
from torch import nn
from torch.optim.swa_utils import AveragedModel


class Averaging:
    """Non-monotonically triggered averaging (NT-ASGD, Merity et al. 2018; averaging: Polyak & Juditsky 1992).

    After each step call ``stepped``, and now and then ``validated`` with the loss of that moment. Averaging begins when
    a loss is above the lowest of those that are more than ``interval`` validations old.

    Args:
        model: what is trained; it is not touched.
        interval: n, how many validations are waited for an improvement.

    Raises:
        ValueError: an interval that is no whole number of at least 0.
    """

    def __init__(self, model: nn.Module, interval: int = 5):
        if not isinstance(interval, int) or isinstance(interval, bool) or interval < 0:
            raise ValueError(f"interval is a whole number of at least 0, not {interval!r}")
        self.trained, self.interval, self.losses = model, interval, []
        self.mean: AveragedModel | None = None              # from the trigger on

    def validated(self, loss: float) -> bool:
        """Whether the averaging has begun, now that this validation loss is known."""
        old = self.losses[:max(0, len(self.losses) - self.interval)]
        if self.mean is None and old and loss > min(old):
            self.mean = AveragedModel(self.trained)
        self.losses.append(loss)
        return self.mean is not None

    def stepped(self) -> None:
        """The optimiser has changed the weights: they enter the mean, once that has begun."""
        if self.mean is not None:
            self.mean.update_parameters(self.trained)

    @property
    def model(self) -> nn.Module:
        """What to evaluate: the mean of all weights since the trigger; the trained model before."""
        return self.trained if self.mean is None or not self.mean.n_averaged else self.mean.module

"""What a model writes while it learns, and where its gates stand: a recorder for ``Trainer.fit``."""
import torch

from unrolled.generation import generate, stream
from unrolled.models import LanguageModel
from unrolled.probe import GATES, trace
from unrolled.text import Vocabulary
from unrolled.history import History, Snapshot

BINS = 50       # an edge at every 0.02, so that one stands at 0.1, 0.4, 0.5, 0.6 and 0.9


class Snapshots:
    """Called with a history, adds a ``Snapshot`` of the model as it is now.

    ``fit(50, on_epoch=Snapshots(...))`` takes one after each epoch. To have the model before its first
    epoch too, call the recorder once before ``fit``. An epoch has one snapshot: a second replaces the
    first. The training goes on as if nobody had looked: mode, weights and random numbers are left alone.

    Args:
        model: a ``LanguageModel``, the one that is trained.
        vocab: its vocabulary.
        text: what the gates of the top layer are read along, in tokens that the vocabulary knows.
        prefix: the beginning of both samples.
        num_tokens: how many tokens a sample adds to it.
        temperature: of the second sample; the first is greedy.
        seed: of the second sample's draw, the same at every epoch.
        every: take only the epochs that are a multiple of it.

    Raises:
        TypeError: a model that is no ``LanguageModel``.
        ValueError: unknown tokens, a vocabulary of another size, or an option out of its range.
    """

    def __init__(self, model: LanguageModel, vocab: Vocabulary, text: str, *, prefix: str = "it has",
                 num_tokens: int = 50, temperature: float = 0.7, seed: int = 0, every: int = 1):
        if not isinstance(model, LanguageModel):
            raise TypeError(f"snapshots are taken of a LanguageModel, not of {type(model).__name__}")
        if not isinstance(every, int) or every < 1:
            raise ValueError(f"every is a whole number of at least 1, not {every!r}")
        if temperature == 0:
            raise ValueError("the first sample is greedy already: give the second a temperature above 0")
        stream(model, vocab, prefix, num_tokens, temperature=temperature)       # complains now, not after an epoch
        vocab.encode(text, strict=True)
        self.model, self.vocab, self.text, self.prefix, self.every = model, vocab, text, prefix, every
        self.decodings = {"greedy": {}, f"temperature {temperature:g}": {"temperature": temperature, "seed": seed}}
        self.num_tokens = num_tokens

    def __call__(self, history: History) -> None:
        epoch = len(history)
        if epoch % self.every:
            return
        samples = {name: generate(self.model, self.vocab, self.prefix, self.num_tokens, **how)
                   for name, how in self.decodings.items()}
        values = trace(self.model, self.vocab, self.text).values                # name -> (steps, hidden)
        gates = {name: torch.histc(value.float(), BINS, 0, 1).int().tolist()
                 for name, value in values.items() if name in GATES}
        others = [one for one in history.snapshots if one.epoch != epoch]
        history.snapshots[:] = [*others, Snapshot(epoch, self.prefix, samples, gates)]

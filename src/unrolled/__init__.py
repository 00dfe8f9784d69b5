"""Long short-term memory, from the equation to the trained model."""
import importlib

__version__ = "0.1.0"
# Loaded when first asked for: `unrolled.frameworks` has to work where there is no torch.
_HOMES = {"device": ["choose_device"], "generation": ["generate"],
          "layers": ["GRU", "LSTM", "RNN", "GRUScratch", "LSTMScratch", "RNNScratch", "Stacked"], "models": ["LanguageModel"],
          "probe": ["gradient_norms", "trace"], "text": ["Vocabulary", "Windows", "honest_split", "load_corpus", "source_split"],
          "training": ["Trainer"]}
_HOME = {name: home for home, names in _HOMES.items() for name in names}
__all__ = sorted(_HOME)


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module 'unrolled' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f"unrolled.{_HOME[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""From a corpus to batches: corpus, vocabulary, windows. Only the windows, and ``encode``, need torch."""
from unrolled.text.corpus import Corpus, CorpusDamaged, load_corpus
from unrolled.text.vocabulary import Vocabulary, tokenize

__all__ = ["Corpus", "CorpusDamaged", "Split", "Streams", "Vocabulary", "Windows", "honest_split", "load_corpus",
           "source_split", "split_ids", "tokenize"]


def __getattr__(name: str):
    if name not in __all__:
        raise AttributeError(f"module 'unrolled.text' has no attribute {name!r}")
    from unrolled.text import windows      # when first asked for: MXNet's environment has the text, and no torch

    value = globals()[name] = getattr(windows, name)
    return value

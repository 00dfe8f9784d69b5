"""From a corpus to batches: corpus, vocabulary, windows."""
from unrolled.text.corpus import Corpus, CorpusDamaged, load_corpus
from unrolled.text.vocabulary import Vocabulary, tokenize
from unrolled.text.windows import Split, Windows, honest_split, source_split, split_ids

__all__ = ["Corpus", "CorpusDamaged", "Split", "Vocabulary", "Windows", "honest_split", "load_corpus",
           "source_split", "split_ids", "tokenize"]

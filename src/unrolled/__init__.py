"""Long short-term memory, from the equation to the trained model."""
from unrolled.device import choose_device
from unrolled.generation import generate
from unrolled.layers import GRU, LSTM, RNN, GRUScratch, LSTMScratch, RNNScratch, Stacked
from unrolled.models import LanguageModel
from unrolled.probe import gradient_norms, trace
from unrolled.text import Vocabulary, Windows, honest_split, load_corpus, source_split
from unrolled.training import Trainer

__version__ = "0.1.0"
__all__ = ["GRU", "GRUScratch", "LSTM", "LSTMScratch", "LanguageModel", "RNN", "RNNScratch", "Stacked", "Trainer",
           "Vocabulary", "Windows", "choose_device", "generate", "gradient_norms", "honest_split", "load_corpus",
           "source_split", "trace"]

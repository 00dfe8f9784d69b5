"""What became of the LSTM: its ablations and variants, what regularises it, and what came after it, behind the layers' one call."""
from unrolled.variants.averaging import Averaging
from unrolled.variants.cells import MGU, LSTMVariant
from unrolled.variants.noise import Noise

__all__ = ["MGU", "Averaging", "LSTMVariant", "Noise"]

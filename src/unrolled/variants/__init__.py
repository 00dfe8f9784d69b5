"""What became of the LSTM: ablations, variants, regularisation, and what came after it, behind the layers' one call."""
from unrolled.variants.averaging import Averaging
from unrolled.variants.cells import MGU, LSTMVariant
from unrolled.variants.noise import Noise
from unrolled.variants.stacks import Dense, Highway, Residual
from unrolled.variants.transformer import Transformer
from unrolled.variants.xlstm import MLSTM, SLSTM

__all__ = ["MGU", "MLSTM", "SLSTM", "Averaging", "Dense", "Highway", "LSTMVariant", "Noise", "Residual", "Transformer"]

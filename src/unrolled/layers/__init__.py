"""Recurrent layers behind one call: ``outputs, state = layer(inputs, state=None)``."""
from unrolled.layers.concise import GRU, LSTM, RNN
from unrolled.layers.scratch import GRUScratch, LSTMScratch, RNNScratch
from unrolled.layers.stacked import Stacked, detach_state

__all__ = ["GRU", "GRUScratch", "LSTM", "LSTMScratch", "RNN", "RNNScratch", "Stacked", "detach_state"]

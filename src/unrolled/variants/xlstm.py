"""xLSTM's two cells (Beck et al. 2024), one head or several, without the blocks that the paper builds around them.

Both have an exponential input gate, whose growth a second memory N divides out, and a running maximum M that keeps
every exponential below 1: ``exp(i - M)`` and ``exp(log f + M_before - M)`` stand for the gates (eqs. 15-17 there),
and the outputs are the same with any M. An empty memory has C = N = 0 and M = -infinity.
"""
import math

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from unrolled.equations import LSTM_PARAMETERS, times
from unrolled.layers.checks import check_inputs, check_sizes
from unrolled.layers.scratch import _Scratch
from unrolled.variants.checks import check_parts


def _stabilised(i: Tensor, log_f: Tensor, M: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Both gates, scaled, and the new maximum (eqs. 15-17), from the input gate's score and the forget gate's logarithm."""
    M_new = torch.maximum(log_f + M, i)
    return torch.exp(i - M_new), torch.exp(log_f + M - M_new), M_new


class SLSTM(_Scratch):
    """The sLSTM, with one head (Beck et al. 2024, eqs. 8-17); its parameters are named and shaped as the LSTM's::

        I = exp(i)     F = sigmoid(f) or exp(f)     O = sigmoid(o)     C_tilde = tanh(c)
        C = F * C + I * C_tilde
        N = F * N + I
        H = O * C / N

    i, f, o and c are ``X W_x. + H W_h. + b_.`` as in the LSTM. The state is (H, C, N, M).

    Args:
        num_inputs, num_hiddens: d and h.
        exponential_forget: F is exp(f), not the sigmoid; the paper allows both.
        forget_bias, sigma, dtype, device: as for ``LSTMScratch``.
    """

    names, kind, state_names = LSTM_PARAMETERS, "slstm", ("H", "C", "N", "M")

    def __init__(self, num_inputs, num_hiddens, *, exponential_forget=False, forget_bias=0.0, sigma=0.01,
                 dtype=None, device=None):
        super().__init__(num_inputs, num_hiddens, sigma=sigma, dtype=dtype, device=device)
        nn.init.constant_(self.b_f, forget_bias)
        self.exponential_forget = exponential_forget

    def forward(self, inputs: Tensor, state: tuple[Tensor, Tensor, Tensor, Tensor] | None = None):
        empty = state is None
        inputs, (H, C, N, M) = self.check(inputs, state)                    # (batch, hidden) each
        if empty:
            M = torch.full_like(M, -math.inf)
        W_x = self.side_by_side("W_xi", "W_xf", "W_xo", "W_xc")             # (inputs, 4 hidden)
        W_h = self.side_by_side("W_hi", "W_hf", "W_ho", "W_hc")             # (hidden, 4 hidden)
        from_inputs = times(inputs, W_x) + self.side_by_side("b_i", "b_f", "b_o", "b_c")
        outputs = []
        for from_input in from_inputs.unbind():                             # (batch, 4 hidden)
            i, f, o, c = (from_input + H @ W_h).chunk(4, dim=1)             # (batch, hidden) each
            I, F, M = _stabilised(i, f if self.exponential_forget else logsigmoid(f), M)
            C = F * C + I * torch.tanh(c)                                   # (batch, hidden)
            N = F * N + I                                                   # (batch, hidden)
            H = torch.sigmoid(o) * C / N                                    # (batch, hidden)
            outputs.append(H)
        return torch.stack(outputs), (H, C, N, M)                           # (steps, batch, hidden)


class MLSTM(nn.Module):
    """The mLSTM: a matrix for a memory, written with keys and read with queries (Beck et al. 2024, eqs. 19-27)::

        Q = X W_q + b_q     K = X W_k / sqrt(d) + b_k     V = X W_v + b_v     O = sigmoid(X W_o + b_o)
        I = exp(i)     F = sigmoid(f) or exp(f)        i and f are X W_i + b_i and X W_f + b_f, a number a head
        C = F C + I V K^T
        N = F N + I K
        H = O * C Q / max(|N^T Q|, 1)

    for each head, which has d = num_hiddens / num_heads. No gate sees H, so the steps need not wait for each other, and
    ``parallel`` computes the same at once. The state is (C, N, M), (batch, heads, d, d), (batch, heads, d) and
    (batch, heads); with its C and N scaled by exp(-M), the 1 in the last line is exp(-M), too.

    Args:
        num_inputs, num_hiddens: d and h.
        num_heads: it divides num_hiddens.
        at_once: whether a call computes in parallel; else step by step.
        exponential_forget, forget_bias, sigma, dtype, device: as for ``SLSTM``.

    Raises:
        ValueError: heads that do not divide the width.
    """

    kind, state_names = "mlstm", ("C", "N", "M")

    def __init__(self, num_inputs, num_hiddens, *, num_heads=1, at_once=False, exponential_forget=False, forget_bias=0.0,
                 sigma=0.01, dtype=None, device=None):
        super().__init__()
        check_sizes(num_inputs, num_hiddens)
        if num_heads < 1 or num_hiddens % num_heads:
            raise ValueError(f"{num_hiddens} hidden units cannot be shared out among {num_heads} heads")
        self.num_inputs, self.num_hiddens, self.num_heads = num_inputs, num_hiddens, num_heads
        self.at_once, self.exponential_forget = at_once, exponential_forget
        for letter, width in zip("qkvoif", [num_hiddens] * 4 + [num_heads] * 2):
            W = torch.empty(num_inputs, width, dtype=dtype, device=device).normal_(std=sigma)
            self.register_parameter(f"W_{letter}", nn.Parameter(W))
            self.register_parameter(f"b_{letter}", nn.Parameter(torch.zeros(width, dtype=dtype, device=device)))
        nn.init.constant_(self.b_f, forget_bias)

    def extra_repr(self):
        return f"{self.num_inputs}, {self.num_hiddens}, num_heads={self.num_heads}"

    def scores(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Q, K, V (steps, batch, heads, d), O (steps, batch, hidden), i and log F (steps, batch, heads)."""
        inputs = check_inputs(inputs, self.num_inputs, self.W_q.dtype)
        q, k, v, o, i, f = (times(inputs, getattr(self, f"W_{letter}")) for letter in "qkvoif")
        k = k / math.sqrt(self.num_hiddens // self.num_heads)
        Q, K, V = ((x + b).unflatten(2, (self.num_heads, -1)) for x, b in ((q, self.b_q), (k, self.b_k), (v, self.b_v)))
        f = f + self.b_f
        return Q, K, V, torch.sigmoid(o + self.b_o), i + self.b_i, f if self.exponential_forget else logsigmoid(f)

    def check_memory(self, state, batch: int) -> tuple[Tensor, Tensor, Tensor]:
        """The state, or the empty memory in its place; or raise as ``check_parts`` does."""
        heads, d = self.num_heads, self.num_hiddens // self.num_heads
        shapes = (batch, heads, d, d), (batch, heads, d), (batch, heads)
        if state is None:
            C, N, M = (self.W_q.new_zeros(shape) for shape in shapes)
            return C, N, M - math.inf
        check_parts(state, f"a state is (C, N, M) of the shapes {shapes}", shapes, self.W_q.dtype)
        return tuple(state)

    def forward(self, inputs: Tensor, state: tuple[Tensor, Tensor, Tensor] | None = None):
        if self.at_once:
            return self.parallel(inputs, state)
        Qs, Ks, Vs, Os, i_s, log_Fs = self.scores(inputs)
        C, N, M = self.check_memory(state, inputs.shape[1])
        outputs = []
        for Q, K, V, i, log_F in zip(Qs, Ks, Vs, i_s, log_Fs):              # (batch, heads, d), gates (batch, heads)
            I, F, M = _stabilised(i, log_F, M)
            IK = I[..., None] * K                                           # (batch, heads, d)
            C = F[..., None, None] * C + V[..., :, None] * IK[..., None, :]         # (batch, heads, d, d)
            N = F[..., None] * N + IK                                       # (batch, heads, d)
            scale = torch.maximum((N * Q).sum(-1).abs(), torch.exp(-M))     # (batch, heads)
            outputs.append((C @ Q[..., None])[..., 0] / scale[..., None])   # (batch, heads, d)
        return Os * torch.stack(outputs).flatten(2), (C, N, M)              # (steps, batch, hidden)

    def parallel(self, inputs: Tensor, state: tuple[Tensor, Tensor, Tensor] | None = None):
        """What ``forward`` returns, all steps at once (the paper's parallel form, here from any memory).

        It takes steps x steps numbers for each head and example, as attention does.
        """
        *three, O, i, log_F = self.scores(inputs)
        C, N, M = self.check_memory(state, inputs.shape[1])
        Q, K, V = (x.permute(1, 2, 0, 3) for x in three)                    # (batch, heads, steps, d) each
        i, faded = i.permute(1, 2, 0), log_F.permute(1, 2, 0).cumsum(2)     # (batch, heads, steps) each
        future = torch.ones(len(inputs), len(inputs), dtype=torch.bool, device=Q.device).triu(1)
        D = (faded[..., :, None] - faded[..., None, :] + i[..., None, :]).masked_fill(future, -math.inf)
        old = faded + M[..., None]                                          # (batch, heads, steps)
        M = torch.maximum(D.amax(3), old)                                   # (batch, heads, steps)
        left, old = torch.exp(D - M[..., None]), torch.exp(old - M)         # of what step s wrote, and of the first memory
        S = left * (Q @ K.mT)                                               # (batch, heads, steps t, steps s)
        read = S @ V + old[..., None] * (Q @ C.mT)                          # (batch, heads, steps, d): C Q
        size = S.sum(3) + old * (Q @ N[..., None])[..., 0]                  # (batch, heads, steps): N^T Q
        outputs = read / torch.maximum(size.abs(), torch.exp(-M))[..., None]
        left_K = left[..., -1, :, None] * K                                 # (batch, heads, steps, d)
        C = old[..., -1, None, None] * C + V.mT @ left_K                    # (batch, heads, d, d)
        N = old[..., -1, None] * N + left_K.sum(2)                          # (batch, heads, d)
        return O * outputs.permute(2, 0, 1, 3).flatten(2), (C, N, M[..., -1])

"""The LSTM with parts taken away or added, all in one loop, and the minimal gated unit."""
import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm, pad

from unrolled.equations import times
from unrolled.layers.scratch import _Scratch
from unrolled.variants.noise import Noise

ABLATIONS = {"input gate": "i", "forget gate": "f", "output gate": "o", "input activation": "", "output activation": ""}
EPSILON = 1e-5                      # layer normalisation divides by the root of the variance and this, as torch's does


class LSTMVariant(_Scratch):
    """The LSTM layer, with any of its parts away and any of these added. Without options it is ``LSTMScratch``::

        I = sigmoid(X W_xi + H W_hi + p_i * C + b_i)       F likewise
        C_tilde = tanh(X W_xc + H W_hc + b_c)
        C = F * C + I * C_tilde
        O = sigmoid(X W_xo + H W_ho + p_o * C + b_o)       C is the new one here
        H = O * tanh(C)

    Args:
        num_inputs, num_hiddens: d and h.
        without: names of ``ABLATIONS`` (Greff et al. 2017): a gate that is taken away is 1 throughout,
            and an activation is the identity.
        coupled: the input gate is 1 - F (Greff et al. 2017, who write F = 1 - I: the same with the sign of the gate's
            score turned).
        gate_recurrence: each gate's score has I W_gi. + F W_gf. + O W_go. of the step before added, for the input gate
            W_gii, W_gfi and W_goi (Hochreiter & Schmidhuber 1997; Greff et al. 2017). The state then is
            (H, C, I, F, O).
        peepholes: the gates see the cell, the terms with p (Gers & Schmidhuber 2000; Greff et al. 2017).
        layer_norm: X W_x and H W_h, each over all gates at once, and the C inside the last tanh are normalised (Ba et al.
            2016, eqs. 20-22). Gains are ``g_x.``, ``g_h.`` and ``g_C``, the last one's shift ``b_C``; the shifts of the
            other two would only add to the bias, and there are none.
        noise: what disturbs it in training.
        forget_bias, sigma, dtype, device: as for ``LSTMScratch``.

    Raises:
        ValueError: an unknown part, coupled gates without one of the two, or a recurrence of gates that are not all there.
    """

    kind, state_names = "lstm variant", ("H", "C")

    def __init__(self, num_inputs, num_hiddens, *, without=(), coupled=False, peepholes=False, gate_recurrence=False,
                 layer_norm=False, noise: Noise | None = None, forget_bias=0.0, sigma=0.01, dtype=None, device=None):
        without = (without,) if isinstance(without, str) else tuple(without)
        if strangers := [part for part in without if part not in ABLATIONS]:
            raise ValueError(f"an LSTM can be without {', '.join(ABLATIONS)}, not without {strangers[0]!r}")
        if coupled and {"input gate", "forget gate"} & set(without):
            raise ValueError(f"coupled gates need an input gate and a forget gate, but it is without {', '.join(without)}")
        if gate_recurrence and (coupled or any("gate" in part for part in without)):
            raise ValueError("a recurrence of the gates needs an input gate, a forget gate and an output gate of their own")
        away = {ABLATIONS[part] for part in without} | ({"i"} if coupled else set())
        self.letters = [letter for letter in "ifoc" if letter not in away]
        parts = ["W_x", "W_h", "b_", *(["g_x", "g_h"] if layer_norm else [])]
        names = [part + letter for letter in self.letters for part in parts]
        names += [f"p_{letter}" for letter in self.letters if peepholes and letter != "c"]
        names += [f"W_g{source}{gate}" for source in "ifo" for gate in "ifo" if gate_recurrence]
        self.names = (*names, *(["g_C", "b_C"] if layer_norm else []))
        super().__init__(num_inputs, num_hiddens, sigma=sigma, dtype=dtype, device=device)
        self.without, self.coupled, self.peepholes, self.layer_norm = without, coupled, peepholes, layer_norm
        self.noise, self.gate_recurrence = noise or Noise(), gate_recurrence
        if gate_recurrence:
            self.state_names = ("H", "C", "I", "F", "O")
        for name in self.names:
            if name.startswith(("g_", "p_")):               # a gain begins at 1; peepholes are drawn like weights
                nn.init.ones_(getattr(self, name)) if name[0] == "g" else nn.init.normal_(getattr(self, name), std=sigma)
        if "f" in self.letters:
            nn.init.constant_(self.b_f, forget_bias)

    def joined(self, part: str) -> Tensor:
        """The parameters of all gates side by side: ``W_x`` (d, gates * h), ``b_`` (gates * h,)."""
        return self.side_by_side(*(part + letter for letter in self.letters))

    def masks(self, inputs: Tensor) -> dict[str, Tensor]:
        """The masks that a call with these inputs would draw."""
        return self.noise.draw(self.training, *inputs.shape[:2], self.num_inputs, self.joined("W_h"))

    def gate(self, letter: str, score: dict[str, Tensor], C: Tensor) -> Tensor | float:
        """The gate's values, (batch, hidden); 1 where it is away."""
        if letter not in score:
            return 1.0
        seen = score[letter] + getattr(self, f"p_{letter}") * C if self.peepholes else score[letter]
        return torch.sigmoid(seen)

    def forward(self, inputs: Tensor, state: tuple[Tensor, ...] | None = None, masks: dict[str, Tensor] | None = None):
        """masks: as ``self.masks`` has drawn them; drawn now unless given."""
        inputs, (H, C, *gates) = self.check(inputs, state)                      # (batch, hidden) each
        masks = self.masks(inputs) if masks is None else masks
        W_h = self.joined("W_h") * masks["weights"] if "weights" in masks else self.joined("W_h")
        if self.layer_norm:
            g_x, g_h = self.joined("g_x"), self.joined("g_h")                   # (gates * hidden,) each
        if self.gate_recurrence:                                                # nothing for the input node: zeros
            W_g = torch.cat([self.side_by_side(*(f"W_g{source}{gate}" for gate in "ifo")) for source in "ifo"])
            W_g = pad(W_g, (0, self.num_hiddens))                               # (3 hidden, 4 hidden)
        from_inputs = self.from_inputs(inputs, masks)                           # (steps, batch, gates * hidden)
        if self.layer_norm:
            from_inputs = layer_norm(from_inputs, g_x.shape, g_x, eps=EPSILON)
        outputs = []
        for t, from_input in enumerate((from_inputs + self.joined("b_")).unbind()):
            from_state = (H * masks["state"] if "state" in masks else H) @ W_h  # (batch, gates * hidden)
            if self.layer_norm:
                from_state = layer_norm(from_state, g_h.shape, g_h, eps=EPSILON)
            if self.gate_recurrence:
                from_state = from_state + torch.cat(gates, dim=1) @ W_g
            score = dict(zip(self.letters, (from_input + from_state).chunk(len(self.letters), dim=1)))
            F = self.gate("f", score, C)                                        # (batch, hidden), like all below
            I = 1 - F if self.coupled else self.gate("i", score, C)
            C_tilde = score["c"] if "input activation" in self.without else torch.tanh(score["c"])
            if "node" in masks:
                C_tilde = C_tilde * masks["node"][t]
            C_new = F * C + I * C_tilde
            O = self.gate("o", score, C_new)
            shown = layer_norm(C_new, C.shape[1:], self.g_C, self.b_C, EPSILON) if self.layer_norm else C_new
            H_new = O * (shown if "output activation" in self.without else torch.tanh(shown))
            H = torch.lerp(H_new, H, masks["zoneout_H"][t]) if "zoneout_H" in masks else H_new
            C = torch.lerp(C_new, C, masks["zoneout_C"][t]) if "zoneout_C" in masks else C_new
            gates = [I, F, O] if self.gate_recurrence else []
            outputs.append(H)
        return torch.stack(outputs), (H, C, *gates)                             # (steps, batch, hidden)

    def from_inputs(self, inputs: Tensor, masks: dict[str, Tensor]) -> Tensor:
        """X W_x of every step, (steps, batch, gates * hidden), with some of the inputs dropped."""
        W_x, mask = self.joined("W_x"), masks.get("inputs")                     # (d, gates * hidden), (batch, d)
        if mask is None or inputs.is_floating_point():
            return times(inputs if mask is None else inputs * mask, W_x)
        return times(inputs, W_x) * mask.gather(1, inputs.T).T[..., None]       # of a one-hot vector only one entry counts


class MGU(_Scratch):
    """The minimal gated unit (Zhou et al. 2016): a single gate, which forgets what it makes room for::

        F = sigmoid(X W_xf + H W_hf + b_f)
        H_tilde = tanh(X W_xh + (F * H) W_hh + b_h)
        H = (1 - F) * H + F * H_tilde

    Args: as for ``LSTMScratch``, without the forget bias.
    """

    names, kind = ("W_xf", "W_hf", "b_f", "W_xh", "W_hh", "b_h"), "mgu"

    def forward(self, inputs: Tensor, state: tuple[Tensor] | None = None):
        inputs, (H,) = self.check(inputs, state)                                # H (batch, hidden)
        W_x, b = self.side_by_side("W_xf", "W_xh"), self.side_by_side("b_f", "b_h")
        from_inputs = times(inputs, W_x) + b                                    # (steps, batch, 2 hidden)
        outputs = []
        for from_input in from_inputs.unbind():
            x_f, x_h = from_input.chunk(2, dim=1)                               # (batch, hidden), like all below
            F = torch.sigmoid(x_f + H @ self.W_hf)
            H_tilde = torch.tanh(x_h + (F * H) @ self.W_hh)
            H = torch.lerp(H, H_tilde, F)                                       # (1 - F) * H + F * H_tilde
            outputs.append(H)
        return torch.stack(outputs), (H,)                                       # (steps, batch, hidden)

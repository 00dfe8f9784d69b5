"""Several recurrent layers, one on top of another, called like one."""
from torch import Tensor, nn


class Stacked(nn.Module):
    """Recurrent layers in a stack: each reads the outputs of the one below it (Graves 2013).

    Args:
        layers: at least one layer; each takes as many inputs as the one below has hidden units.
        dropout: probability with which outputs *between* the layers are dropped while training.

    The state is the tuple of the layers' states, lowest first.

    Raises:
        TypeError: something that is no recurrent layer of ours.
        ValueError: no layer, widths that do not fit, or a dropout outside [0, 1).
    """

    kind = "stacked"

    def __init__(self, layers, dropout: float = 0.0):
        super().__init__()
        layers = list(layers)
        if not layers:
            raise ValueError("a stack has at least one layer, got none")
        for layer in layers:
            if not hasattr(layer, "state_names"):
                raise TypeError(f"a stack is made of layers of unrolled.layers, got {type(layer).__name__}")
        for k, (below, above) in enumerate(zip(layers, layers[1:]), start=1):
            if above.num_inputs != below.num_hiddens:
                raise ValueError(f"layer {k} takes {above.num_inputs} inputs, but layer {k - 1} below it "
                                 f"has {below.num_hiddens} hidden units")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout is a probability in [0, 1), got {dropout!r}")
        self.layers, self.dropout = nn.ModuleList(layers), nn.Dropout(dropout)
        self.num_inputs, self.num_hiddens = layers[0].num_inputs, layers[-1].num_hiddens
        self.state_names = tuple(layer.state_names for layer in layers)

    def forward(self, inputs: Tensor, state=None):
        """outputs (steps, batch, num_hiddens of the top layer), state a tuple of the layers' states."""
        if state is None:
            state = (None,) * len(self.layers)
        if not isinstance(state, (tuple, list)) or len(state) != len(self.layers):
            came = len(state) if isinstance(state, (tuple, list)) else type(state).__name__
            raise ValueError(f"the state of this stack is a tuple of {len(self.layers)} layers' states, "
                             f"got {came}")
        states = []
        for k, (layer, layer_state) in enumerate(zip(self.layers, state)):
            inputs, layer_state = layer(self.dropout(inputs) if k else inputs, layer_state)
            states.append(layer_state)
        return inputs, tuple(states)


def detach_state(state):
    """The same numbers without their history: the gradient stops here (truncation). Nested tuples too."""
    if state is None:
        return None
    return state.detach() if isinstance(state, Tensor) else tuple(detach_state(s) for s in state)

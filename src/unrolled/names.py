"""The names and shapes of the parameters, which every layer, file and framework shares. Nothing is imported here."""

LSTM_PARAMETERS = ("W_xi", "W_hi", "b_i", "W_xf", "W_hf", "b_f", "W_xo", "W_ho", "b_o", "W_xc", "W_hc", "b_c")
GRU_PARAMETERS = ("W_xr", "W_hr", "b_r", "W_xz", "W_hz", "b_z", "W_xh", "W_hh", "b_h", "b_hh")
RNN_PARAMETERS = ("W_xh", "W_hh", "b_h")


def parameter_shapes(names: tuple[str, ...], num_inputs: int, num_hiddens: int) -> dict[str, tuple[int, ...]]:
    """The shape of each parameter: W_x. (d, h), W_h. and W_g.. (h, h), biases and all others (h,)."""
    first = {"W_x": (num_inputs, num_hiddens), "W_h": (num_hiddens, num_hiddens), "W_g": (num_hiddens, num_hiddens)}
    return {name: first.get(name[:3], (num_hiddens,)) for name in names}

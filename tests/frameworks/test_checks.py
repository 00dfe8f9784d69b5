"""What the contract's tests of every framework do not reach."""
import numpy as np
import pytest

from unrolled.frameworks import checks


@pytest.mark.parametrize("size", [0, -1, 2.0, True, "3"])
def test_sizes(size):
    with pytest.raises(ValueError, match=f"num_inputs is a whole number of at least 1, not {size!r}"):
        checks.check_sizes(num_hiddens=2, num_inputs=size)
    checks.check_sizes(num_hiddens=np.int64(2), num_inputs=1)


def test_model():
    checks.check_model(3, 3, 0.0)
    for arguments, says in (((3, 4, 0.0), "4 tokens cannot feed a layer of 3 inputs"), ((3, 3, 1), r"in \[0, 1\), got 1"),
                            ((0, 0, 0.0), "num_tokens is a whole number")):
        with pytest.raises(ValueError, match=says):
            checks.check_model(*arguments)


def test_state_of_another_dtype():
    H, C = np.zeros((2, 3), "float32"), np.zeros((2, 3), "float64")
    checks.check_state((H, H), 2, 3, "float32", lambda value: value.dtype.name)
    with pytest.raises(TypeError, match="a state is float32 like the weights, got C of float64"):
        checks.check_state((H, C), 2, 3, "float32", lambda value: value.dtype.name)


def test_prefix():
    prefix = checks.check_prefix([2, 0], 3, 4)
    assert prefix.tolist() == [[2], [0]] and prefix.dtype == "int32"

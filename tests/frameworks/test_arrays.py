"""Weights as plain arrays: what is whole, what is refused, and files."""
import numpy as np
import pytest

from unrolled.frameworks import arrays


@pytest.fixture
def weights():
    return arrays.draw(5, 3)


def test_sizes(weights):
    assert arrays.sizes(weights) == (5, 3, 5)
    narrow = {f"layers.0.W_x{gate}": np.zeros((2, 3), "float32") for gate in "ifoc"}
    assert arrays.sizes(weights | narrow) == (2, 3, 5)


@pytest.mark.parametrize("change, error, says", [
    ({"head.bias": None}, ValueError, "are layers.0.W_xi … layers.0.b_c, head.weight and head.bias; missing: head.bias; unknown: none"),
    ({"layers.1.W_xi": np.zeros(1)}, ValueError, "missing: none; unknown: layers.1.W_xi"),
    ({"layers.0.b_o": [0.0, 0.0, 0.0]}, TypeError, "layers.0.b_o is a NumPy array of float32 or float64, got builtins.list"),
    ({"layers.0.b_o": np.zeros(3, "int32")}, TypeError, "layers.0.b_o is a NumPy array of float32 or float64, got int32"),
    ({"layers.0.b_o": np.zeros(3, "float16")}, TypeError, "got float16"),
    ({"layers.0.b_o": np.zeros(3)}, ValueError, "all weights have one dtype, got float32 and float64"),
    ({"head.weight": np.zeros(3, "float32")}, ValueError, r"head.weight \(tokens, hidden\), got \(5, 3\) and \(3,\)"),
    ({"layers.0.W_ho": np.zeros((3, 5), "float32")}, ValueError, r"layers.0.W_ho has shape \(3, 3\) beside .*, got \(3, 5\)"),
    ({"head.weight": np.zeros((3, 5), "float32")}, ValueError, r"head.weight has shape \(3, 3\) beside the others, got \(3, 5\)"),
    ({"head.bias": np.zeros((5, 1), "float32")}, ValueError, r"head.bias has shape \(5,\) beside the others, got \(5, 1\)"),
])
def test_what_is_not_whole(weights, change, error, says, tmp_path):
    changed = {name: value for name, value in (weights | change).items() if value is not None}
    with pytest.raises(error, match=says):
        arrays.sizes(changed)
    with pytest.raises(error, match=says):
        arrays.save_arrays(changed, tmp_path / "weights")
    assert not list(tmp_path.iterdir())


def test_draw():
    first, again, other = arrays.draw(30, 50), arrays.draw(30, 50), arrays.draw(30, 50, seed=1)
    assert tuple(first) == arrays.NAMES and arrays.sizes(first) == (30, 50, 30)
    for name, value in first.items():
        np.testing.assert_array_equal(value, again[name], strict=True)
        assert value.dtype == "float32" and np.abs(value).max() <= 50 ** -0.5 < 1.3 * np.abs(value).max(), name
        assert (value != other[name]).all()


def test_draw_from_a_gaussian():
    drawn = arrays.draw(40, 50, sigma=0.1, forget_bias=1.0, dtype="float64")
    for name, value in drawn.items():
        assert value.dtype == "float64"
        if value.ndim == 2:
            assert 0.09 < value.std() < 0.11 and abs(value.mean()) < 0.01, name
        else:
            assert (value == (name == "layers.0.b_f")).all(), name


@pytest.mark.parametrize("dtype", arrays.FLOATS)
def test_file(dtype, tmp_path):
    weights = arrays.draw(5, 3, dtype=dtype)
    weights["head.weight"] = np.asfortranarray(weights["head.weight"])            # as a transposed kernel comes
    arrays.save_arrays(dict(reversed(weights.items())), tmp_path / "weights")
    assert [path.name for path in tmp_path.iterdir()] == ["weights"]
    back = arrays.load_arrays(tmp_path / "weights")
    assert tuple(back) == arrays.NAMES
    for name, value in weights.items():
        np.testing.assert_array_equal(back[name], value, strict=True)


def test_files_that_are_none(tmp_path):
    with pytest.raises(FileNotFoundError, match="no weights at .*nothing"):
        arrays.load_arrays(tmp_path / "nothing")
    arrays.save_arrays(arrays.draw(5, 3), tmp_path / "weights")
    whole = (tmp_path / "weights").read_bytes()
    (tmp_path / "half").write_bytes(whole[:len(whole) // 2])
    with pytest.raises(ValueError, match="half is not a whole safetensors file"):
        arrays.load_arrays(tmp_path / "half")


def test_a_file_of_something_else(tmp_path):
    from safetensors.numpy import save

    (tmp_path / "other").write_bytes(save({"layers.0.W_xh": np.zeros((2, 2), "float32")}))
    with pytest.raises(ValueError, match="unknown: layers.0.W_xh"):
        arrays.load_arrays(tmp_path / "other")

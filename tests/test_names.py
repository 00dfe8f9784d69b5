"""The names and shapes, and a package that loads torch only when something of it is asked for."""
import subprocess
import sys

import pytest

import unrolled
from unrolled import equations, names
from unrolled.names import GRU_PARAMETERS, LSTM_PARAMETERS, RNN_PARAMETERS, parameter_shapes


def python(code):
    """What a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.split()


@pytest.mark.parametrize("group, number", [(LSTM_PARAMETERS, 12), (GRU_PARAMETERS, 10), (RNN_PARAMETERS, 3)])
def test_shapes(group, number):
    assert len(set(group)) == number
    for name, shape in parameter_shapes(group, 5, 7).items():
        assert shape == ((5, 7) if name.startswith("W_x") else (7, 7) if name.startswith("W_h") else (7,)), name
    assert tuple(parameter_shapes(group, 5, 7)) == group


def test_the_equations_have_these_names():
    assert all(getattr(equations, name) is getattr(names, name)
               for name in ("LSTM_PARAMETERS", "GRU_PARAMETERS", "RNN_PARAMETERS", "parameter_shapes"))


@pytest.mark.parametrize("module", ["unrolled", "unrolled.names", "unrolled.frameworks.arrays", "unrolled.frameworks.experiment",
                                    "unrolled.frameworks.checks"])
def test_no_torch(module):
    """Neither imported nor needed: it is as if it were not installed."""
    assert python(f"import sys; sys.modules['torch'] = None; import {module}; print('whole')") == ["whole"]


def test_names_alone_need_not_even_numpy():
    assert python("import sys; sys.modules['numpy'] = None; import unrolled.names; print('whole')") == ["whole"]


def test_all_that_the_package_offers_is_there():
    """Each name at the top is what stands in its room, once it is asked for."""
    assert set(unrolled.__all__) <= set(dir(unrolled))
    for name in unrolled.__all__:
        value = getattr(unrolled, name)
        assert value.__name__ == name and value.__module__.startswith("unrolled."), name
        assert vars(unrolled)[name] is value


def test_what_it_does_not_offer():
    with pytest.raises(AttributeError, match="module 'unrolled' has no attribute 'LTSM'"):
        unrolled.LTSM                                                             # noqa: B018

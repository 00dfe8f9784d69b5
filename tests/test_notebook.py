"""The first cell of a notebook: one sentence each for device, widgets and text, and nothing that stops it."""
import importlib.metadata
import sys
import types

import pytest
import torch

from unrolled import notebook
from unrolled.text.corpus import CorpusDamaged


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    """No copy of the novel, no network: the embedded text."""
    monkeypatch.setattr(notebook, "load_corpus", lambda: notebook_text("embedded"))


def notebook_text(name):
    from unrolled.text import load_corpus
    return load_corpus(name)


@pytest.fixture
def on(monkeypatch):
    """on(type): as if the best device were of this type."""
    def call(kind):
        monkeypatch.setattr("unrolled.device.choose_device", lambda: torch.device(kind))
    return call


@pytest.fixture
def colab(monkeypatch):
    """A stand-in for the one module of Colab that is called; returns what was called."""
    called = []
    output = types.ModuleType("google.colab.output")
    output.enable_custom_widget_manager = lambda: called.append("widgets")
    package = types.ModuleType("google.colab")
    package.output = output
    monkeypatch.setitem(sys.modules, "google", types.ModuleType("google"))
    monkeypatch.setitem(sys.modules, "google.colab", package)
    monkeypatch.setitem(sys.modules, "google.colab.output", output)
    return called


def test_elsewhere_it_only_speaks(on, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "google.colab", None)       # import google.colab raises ImportError
    on("cpu")
    assert notebook.begin() is None
    device, text = capsys.readouterr().out.splitlines()
    assert device.startswith("This notebook computes on the processor, ") and torch.__version__ in device
    assert "Runtime" not in device and "a GPU is taken by itself" in device
    assert text.startswith("Text: ") and "stand-in" in text


def test_colab_gets_its_widgets_and_its_way_to_a_gpu(on, capsys, colab):
    on("cpu")
    notebook.begin()
    assert colab == ["widgets"]
    assert "choose Runtime, Change runtime type" in capsys.readouterr().out.splitlines()[0]


def test_a_gpu_is_named(on, capsys, colab, monkeypatch):
    on("cuda")
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Tesla T4")
    notebook.begin()
    first = capsys.readouterr().out.splitlines()[0]
    assert first == f"This notebook computes on the GPU, Tesla T4, with torch {torch.__version__}."


def test_a_mac_is_named(on):
    on("mps")
    assert notebook.device_sentence(False) == f"This notebook computes on the GPU of this Mac, with torch {torch.__version__}."


@pytest.fixture
def framework(monkeypatch):
    """framework(name, device): a stand-in for its module, which may be installed or not."""
    def call(name, device):
        module = types.SimpleNamespace(device=lambda: device, versions=lambda: {name: "1.2", "other": "3"})
        monkeypatch.setitem(sys.modules, f"unrolled.frameworks.{name}", module)
    return call


@pytest.mark.parametrize("name, device, sentence", [
    ("jax", "NVIDIA L4 (GPU)", "This notebook computes on the GPU, NVIDIA L4 (GPU), with jax 1.2."),
    ("tensorflow", "the processor", "This notebook computes on the processor, 2 cores, with tensorflow 1.2; "
                                    "a GPU is taken by itself where tensorflow can use one."),
])
def test_a_frameworks_notebook_asks_the_framework(framework, monkeypatch, capsys, name, device, sentence):
    monkeypatch.setitem(sys.modules, "google.colab", None)
    monkeypatch.setattr(notebook.os, "cpu_count", lambda: 2)
    framework(name, device)
    notebook.begin(name)
    assert capsys.readouterr().out.splitlines()[0] == sentence


@pytest.fixture
def mxnet(monkeypatch):
    """MXNet is not in this kernel; hand_over writes down with which Python it was called."""
    import unrolled.second_kernel
    given = []
    monkeypatch.setitem(sys.modules, "unrolled.frameworks.mxnet", None)
    monkeypatch.setattr(unrolled.second_kernel, "hand_over", given.append)
    monkeypatch.setattr(notebook, "widgets_sentence", lambda: "The controls are old.")
    return given


def no_python(name):
    raise ModuleNotFoundError("MXNet has an environment of its own")


def test_mxnet_in_this_kernel_is_taken(framework, mxnet, capsys):
    framework("mxnet", "the processor")
    notebook.begin("mxnet")
    said = capsys.readouterr().out.splitlines()
    assert not mxnet and said[0].endswith(", with MXNet, in an environment of its own.") and said[1].startswith("Text: ")


def test_mxnets_kernel_is_taken_where_there_is_one(mxnet, monkeypatch):
    monkeypatch.setattr(notebook, "python_of", lambda name: f"/python/of/{name}")
    notebook.begin("mxnet")
    assert mxnet == ["/python/of/mxnet"]


def test_else_mxnets_environment_is_made(mxnet, monkeypatch):
    monkeypatch.setattr(notebook, "python_of", no_python)
    monkeypatch.setattr(notebook.mxnet_environment, "make", lambda: "/made/python")
    notebook.begin("mxnet")
    assert mxnet == ["/made/python"]


def test_mxnet_that_cannot_be_had_is_one_line(mxnet, monkeypatch):
    def fail():
        raise RuntimeError("There is none.")
    monkeypatch.setattr(notebook, "python_of", no_python)
    monkeypatch.setattr(notebook.mxnet_environment, "make", fail)
    with pytest.raises(RuntimeError, match="^There is none.$") as raised:
        notebook.begin("mxnet")
    assert raised.value._render_traceback_() == ["There is none."] and not mxnet


@pytest.mark.parametrize("cores, words", [(1, "1 core,"), (2, "2 cores,"), (None, "1 core,")])
def test_cores_are_counted(on, monkeypatch, cores, words):
    on("cpu")
    monkeypatch.setattr(notebook.os, "cpu_count", lambda: cores)
    assert words in notebook.device_sentence(False)


@pytest.mark.parametrize("version, complaint", [
    ("7.7.1", ""), ("8.1.9", ""), ("8.0.0rc1", ""), ("10.0", ""),
    ("7.6.5", "these are 7.6.5"), ("7.7", "these are 7.7"), ("7.7.0.dev3", "these are 7.7.0.dev3"), ("dev", "these are dev"),
    (None, "there are none"),
])
def test_old_widgets_get_a_sentence(monkeypatch, version, complaint):
    def installed(name):
        assert name == "ipywidgets"
        if version is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return version

    monkeypatch.setattr(importlib.metadata, "version", installed)
    said = notebook.widgets_sentence()
    assert complaint in said and bool(said) == bool(complaint)
    if said:
        assert "7.7.1 or later" in said and "%pip install --upgrade ipywidgets" in said


def test_the_complaint_is_printed_between_the_others(monkeypatch, capsys):
    monkeypatch.setattr(notebook, "widgets_sentence", lambda: "The controls are old.")
    notebook.begin()
    assert capsys.readouterr().out.splitlines()[1] == "The controls are old."


@pytest.mark.parametrize("error", [OSError("read-only"), CorpusDamaged("the file is damaged")])
def test_a_text_that_cannot_be_read_stops_nothing(monkeypatch, capsys, error):
    def fail():
        raise error
    monkeypatch.setattr(notebook, "load_corpus", fail)
    notebook.begin()
    assert capsys.readouterr().out.splitlines()[-1] == f"The text cannot be read: {error}."


def test_the_warning_of_a_stand_in_is_left_to_the_sentence(monkeypatch, recwarn, capsys):
    import warnings

    def warned():
        warnings.warn("no network", UserWarning, stacklevel=1)
        return notebook_text("embedded")
    monkeypatch.setattr(notebook, "load_corpus", warned)
    notebook.begin()
    assert not recwarn.list and "stand-in" in capsys.readouterr().out

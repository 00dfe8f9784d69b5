"""What the first cell of an exported notebook calls: it says on what the notebook runs, and turns Colab's widgets on."""
import importlib
import importlib.metadata
import os
import warnings

from unrolled.frameworks import mxnet_environment
from unrolled.frameworks.processes import python_of
from unrolled.text import load_corpus

WIDGETS = "7.7.1"                      # the oldest ipywidgets that show ours


def begin(framework: str = "torch") -> None:
    """Turn on custom widgets where this is Colab; print what is computed on, and which text is used.

    What is missing is said in a sentence and stops nothing, and nothing is installed. Only MXNet, which this kernel cannot have
    beside the others, gets an environment of its own, where the cells after this one then run.

    Args:
        framework: which the notebook is about: torch, jax, tensorflow or mxnet.

    Raises:
        Shown: MXNet cannot be had here.
    """
    colab = colab_output()
    if colab:
        colab.enable_custom_widget_manager()
    if framework == "mxnet":
        go_to_mxnet()
    widgets = "" if framework == "mxnet" else widgets_sentence()          # that page has no controls
    print("\n".join(filter(None, (device_sentence(colab is not None, framework), widgets, text_sentence()))))


def go_to_mxnet() -> None:
    """From the next cell on, the notebook runs where MXNet is; here, where this kernel has it."""
    try:
        importlib.import_module("unrolled.frameworks.mxnet")
    except ModuleNotFoundError:
        from unrolled.second_kernel import Shown, hand_over
        try:
            python = python_of("mxnet")
        except ModuleNotFoundError:
            try:
                python = mxnet_environment.make()
            except RuntimeError as error:
                raise Shown(str(error)) from None
        hand_over(python)


def colab_output():
    """Colab's module for outputs; None elsewhere."""
    try:
        from google.colab import output
    except ImportError:
        return None
    return output


def device_sentence(colab: bool, framework: str = "torch") -> str:
    """Which device was found, and how to get a GPU where there is none."""
    cores = os.cpu_count() or 1
    processor = f"This notebook computes on the processor, {cores} core{'s' * (cores != 1)}"
    if framework == "mxnet":
        return f"{processor}, with MXNet, in an environment of its own."
    device, version = found(framework)
    if device:
        return f"This notebook computes on {device}, with {version}."
    there = ("for a GPU choose Runtime, Change runtime type" if colab else
             f"a GPU is taken by itself where {framework} can use one")
    return f"{processor}, with {version}; {there}."


def found(framework: str) -> tuple[str, str]:
    """(the GPU that a framework computes on, in words, or nothing; its version)."""
    if framework != "torch":
        module = importlib.import_module(f"unrolled.frameworks.{framework}")
        device = module.device()
        return "" if device == "the processor" else f"the GPU, {device}", f"{framework} {module.versions()[framework]}"
    import torch                           # MXNet's kernel has none

    from unrolled.device import choose_device

    device = choose_device()
    version = f"torch {torch.__version__}"
    if device.type == "cuda":
        return f"the GPU, {torch.cuda.get_device_name(device)}", version
    return "the GPU of this Mac" if device.type == "mps" else "", version


def widgets_sentence() -> str:
    """What to do where ipywidgets are missing or too old; empty where they are well."""
    try:
        found = importlib.metadata.version("ipywidgets")
    except importlib.metadata.PackageNotFoundError:
        found = ""
    if found and numbers(found) >= numbers(WIDGETS):
        return ""
    return (f"The controls need ipywidgets {WIDGETS} or later, and {f'these are {found}' if found else 'there are none'}: run "
            f"%pip install --upgrade ipywidgets, and restart the kernel. Everything else works without them.")


def numbers(version: str) -> tuple[int, ...]:
    """The first three numbers of a version; 0 for what is none."""
    digits = ["".join(filter(str.isdigit, part)) for part in [*version.split("."), "0", "0"][:3]]
    return tuple(int(part or 0) for part in digits)


def text_sentence() -> str:
    """Which text the notebook trains on; it is fetched if need be."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")                      # the sentence says it
        try:
            return load_corpus().notice
        except (OSError, RuntimeError) as error:
            return f"The text cannot be read: {error}."

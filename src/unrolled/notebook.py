"""What the first cell of an exported notebook calls: it says on what the notebook runs, and turns Colab's widgets on."""
import importlib.metadata
import os
import warnings

import torch

from unrolled.device import choose_device
from unrolled.text import load_corpus

WIDGETS = "7.7.1"                      # the oldest ipywidgets that show ours


def begin() -> None:
    """Turn on custom widgets where this is Colab; print what is computed on, and which text is used.

    Nothing is installed, and nothing here stops a notebook: what is missing is said in a sentence.
    """
    colab = colab_output()
    if colab:
        colab.enable_custom_widget_manager()
    print("\n".join(filter(None, (device_sentence(colab is not None), widgets_sentence(), text_sentence()))))


def colab_output():
    """Colab's module for outputs; None elsewhere."""
    try:
        from google.colab import output
    except ImportError:
        return None
    return output


def device_sentence(colab: bool) -> str:
    """Which device was found, and how to get a GPU where there is none."""
    device, version = choose_device(), f"with torch {torch.__version__}"
    if device.type == "cuda":
        return f"This notebook computes on the GPU, {torch.cuda.get_device_name(device)}, {version}."
    if device.type == "mps":
        return f"This notebook computes on the GPU of this Mac, {version}."
    cores = os.cpu_count() or 1
    there = "for a GPU choose Runtime, Change runtime type" if colab else "a GPU is taken by itself where torch can use one"
    return f"This notebook computes on the processor, {cores} core{'s' * (cores != 1)}, {version}; {there}."


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

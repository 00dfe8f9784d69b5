"""One visual language: the palette, the style of the plots, and the drawings of the cell."""
import importlib

from unrolled.figures.curves import LiveCurve, describe_history, plot_history
from unrolled.figures.palette import COLORS
from unrolled.figures.style import Picture, show, use_style

# Found when first asked for: MXNet's environment draws its curves, and has no torch.
LATER = {"plot_gradient_norms": "plots", "plot_heatmap": "plots", "plot_losses": "plots", "plot_trace": "plots",
         "plot_growth": "speed", "plot_ladder": "speed", "plot_roofline": "speed"}

__all__ = ["COLORS", "LiveCurve", "Picture", "describe_history", "plot_gradient_norms", "plot_growth", "plot_heatmap",
           "plot_history", "plot_ladder", "plot_losses", "plot_roofline", "plot_trace", "show", "use_style"]


def __getattr__(name: str):
    if name not in LATER:
        raise AttributeError(f"module 'unrolled.figures' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f"unrolled.figures.{LATER[name]}"), name)
    return value

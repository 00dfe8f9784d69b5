"""One visual language: the palette, the style of the plots, and the drawings of the cell."""
from unrolled.figures.curves import LiveCurve, describe_history, plot_history
from unrolled.figures.palette import COLORS
from unrolled.figures.style import Picture, show, use_style

__all__ = ["COLORS", "LiveCurve", "Picture", "describe_history", "plot_gradient_norms", "plot_heatmap",
           "plot_history", "plot_trace", "show", "use_style"]


def __getattr__(name: str):
    if name not in __all__:
        raise AttributeError(f"module 'unrolled.figures' has no attribute {name!r}")
    from unrolled.figures import plots      # when first asked for: MXNet's environment draws its curves, and has no torch

    value = globals()[name] = getattr(plots, name)
    return value

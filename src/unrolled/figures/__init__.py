"""One visual language: the palette, the style of the plots, and the drawings of the cell."""
from unrolled.figures.palette import COLORS
from unrolled.figures.plots import (LiveCurve, describe_history, plot_gradient_norms, plot_heatmap, plot_history,
                                    plot_trace)
from unrolled.figures.style import Picture, show, use_style

__all__ = ["COLORS", "LiveCurve", "Picture", "describe_history", "plot_gradient_norms", "plot_heatmap",
           "plot_history", "plot_trace", "show", "use_style"]

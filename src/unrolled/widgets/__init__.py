"""Widgets that live in the page: the logic of each is one small ES module beside its class."""
from unrolled.widgets.repeated_factor import RepeatedFactor

__all__ = ["RepeatedFactor"]

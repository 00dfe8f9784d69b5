"""A layer and a head: a language model for tokens, a forecaster for real series."""
from unrolled.models.forecaster import Forecast, Forecaster
from unrolled.models.language import (LanguageModel, check_vocabulary, evaluating, load, save, single_layers)

__all__ = ["Forecast", "Forecaster", "LanguageModel", "check_vocabulary", "evaluating", "load", "save",
           "single_layers"]

"""Widgets that live in the page: the logic of each is one small ES module beside its class."""
from unrolled.widgets.cost_calculator import CostCalculator
from unrolled.widgets.gradient_flow import GradientFlow
from unrolled.widgets.laboratory import Laboratory
from unrolled.widgets.memory_cell import MemoryCell
from unrolled.widgets.progress_board import ProgressBoard
from unrolled.widgets.question import Question
from unrolled.widgets.repeated_factor import RepeatedFactor
from unrolled.widgets.state_microscope import StateMicroscope
from unrolled.widgets.training_replay import TrainingReplay
from unrolled.widgets.unrolling import Unrolling

__all__ = ["CostCalculator", "GradientFlow", "Laboratory", "MemoryCell", "ProgressBoard", "Question", "RepeatedFactor", "StateMicroscope", "TrainingReplay", "Unrolling"]

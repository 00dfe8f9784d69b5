"""Small tasks that ask a recurrent network for nothing but memory, and a training that puts any layer on trial with them."""
from unrolled.tasks.learning import Learned, Reader, learn, measure
from unrolled.tasks.problems import Adding, Copy, KeepFirst, Reset, Skip, Task

__all__ = ["Adding", "Copy", "KeepFirst", "Learned", "Reader", "Reset", "Skip", "Task", "learn", "measure"]

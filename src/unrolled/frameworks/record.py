"""The recorded trainings of all frameworks (book/data/frameworks.json), as histories."""
import functools

from unrolled.history import History, Row
from unrolled.recorded import recorded

FIELDS = ("train_loss", "validation_loss", "seconds")


@functools.cache
def record() -> dict:
    """The whole record, with its date, machine and versions."""
    return recorded("frameworks")


def runs(**wanted) -> list[dict]:
    """The trainings that have these values: ``runs(framework="jax", kind="concise", start="shared", seed=0)``.

    Raises:
        ValueError: there is none.
    """
    found = [run for run in record()["rows"] if all(run[name] == value for name, value in wanted.items())]
    if not found:
        raise ValueError(f"no training with {', '.join(f'{name} {value!r}' for name, value in wanted.items())} is recorded")
    return found


def history(run: dict) -> History:
    """The epochs of a recorded training."""
    return History([Row(epoch, *values) for epoch, values in enumerate(zip(*(run[name] for name in FIELDS)), 1)])

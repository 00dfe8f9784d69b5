"""Another clock in a function's hands: whatever way it is read, and without a trace afterwards."""
import statistics
import time
import timeit

import pytest

from unrolled.exercises.clock import TICK, Clock, on_clock
from unrolled.exercises.specification import defined

WAYS = {
    "the module": "import time\ndef f(work):\n    a = time.perf_counter()\n    work()\n    return time.perf_counter() - a",
    "a name": "from time import perf_counter as now\ndef f(work):\n    a = now()\n    work()\n    return now() - a",
    "another clock": "import time\ndef f(work):\n    a = time.monotonic()\n    work()\n    return time.monotonic() - a",
    "the time of day": "from time import time\ndef f(work):\n    a = time()\n    work()\n    return time() - a",
    "nanoseconds": "import time\ndef f(work):\n    a = time.perf_counter_ns()\n    work()\n    return (time.perf_counter_ns() - a) / 1e9",
    "imported inside": "def f(work):\n    import time\n    a = time.process_time()\n    work()\n    return time.process_time() - a",
    "a name, inside": "def f(work):\n    from time import perf_counter\n    a = perf_counter()\n    work()\n    return perf_counter() - a",
    "a helper": "import time\ndef now():\n    return time.perf_counter()\ndef f(work):\n    a = now()\n    work()\n    return now() - a",
    "a default": "import time\ndef f(work, now=time.perf_counter):\n    a = now()\n    work()\n    return now() - a",
    "a keyword": "import time\ndef f(work, *, now=time.perf_counter):\n    a = now()\n    work()\n    return now() - a",
    "within": "import time\ndef f(work):\n    def now():\n        return time.perf_counter()\n    a = now()\n    work()\n    return now() - a",
    "timeit": "import timeit\ndef f(work):\n    return timeit.timeit(work, number=1)",
    "its name": "from timeit import repeat\ndef f(work):\n    return min(repeat(work, number=1, repeat=3))",
    "its class": "from timeit import Timer\ndef f(work):\n    return Timer(work).timeit(1)",
    "its clock": "from timeit import default_timer\ndef f(work):\n    a = default_timer()\n    work()\n    return default_timer() - a",
}


@pytest.mark.parametrize("code", WAYS.values(), ids=WAYS)
def test_every_way_to_read_a_clock(code):
    function, = defined(code, ("f",))
    clock = Clock()
    assert on_clock(function, clock)(lambda: clock.advance(3.0)) == pytest.approx(3.0, abs=10 * TICK)
    assert clock.looks > 1
    assert function(lambda: None) < 1.0                       # the function itself looks at the machine's clock still


def test_nobody_waits_for_ever():
    code = "import time\ndef f():\n    end = time.time() + 1e-3\n    while time.time() < end:\n        pass\n    time.sleep(3600)\n    return time.time()"
    function, = defined(code, ("f",))
    clock = Clock()
    start = time.perf_counter()
    assert on_clock(function, clock)() > 4600
    assert time.perf_counter() - start < 60


def test_all_else_is_as_it_was():
    code = ("import statistics, time\nLIMIT = [3]\nclass Box:\n    pass\ndef f(x, y=2, *more, z=1):\n    \"\"\"Words.\"\"\"\n"
            "    return statistics.median([x, y, z]), LIMIT, Box, len(more), time.localtime")
    function, = defined(code, ("f",))
    before = dict(function.__globals__)
    moved = on_clock(function, Clock())
    assert moved(5) == function(5) == (2, [3], before["Box"], 0, time.localtime)
    assert moved(5, 6, 7, z=9)[0] == 6
    assert moved(5)[1] is function.__globals__["LIMIT"]       # the learner's own objects, not copies
    assert function.__globals__ == before and function.__globals__["time"] is time
    assert timeit.default_timer is time.perf_counter


def test_a_closure_keeps_what_it_has_enclosed():
    def outer(factor):
        return lambda x: factor * x
    assert on_clock(outer(3), Clock())(2) == 6


def test_what_is_no_plain_function_is_left_alone():
    class Watch:
        def __call__(self):
            return time.perf_counter()

    watch = Watch()
    assert on_clock(watch, Clock()) is watch
    assert on_clock(len, Clock()) is len


def test_a_function_from_elsewhere_is_its_own_affair():
    code = "import time\nfrom statistics import median\ndef f():\n    return median([1, 2, 3])"
    function, = defined(code, ("f",))
    moved = on_clock(function, Clock())
    assert moved() == 2 and moved.__globals__["median"] is statistics.median

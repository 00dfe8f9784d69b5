"""The frameworks' tests share ``reference``, ``contract`` and ``over_there``, which need no torch: there may be none."""
import contextlib
import functools
import os
import sys
from pathlib import Path

import pytest

HERE = str(Path(__file__).parent)
sys.path.insert(0, HERE)
pytest.register_assert_rewrite("contract")


@pytest.fixture(scope="session")
def path_over_there():
    """Processes that are begun from here on find ``over_there``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (HERE, os.environ.get("PYTHONPATH")))))
        yield


@pytest.fixture(scope="session")
def process(path_over_there):
    """process(name): a framework's process, begun when it is first asked for; the test is skipped where it cannot be had."""
    from unrolled.frameworks.processes import FrameworkProcess, is_available

    with contextlib.ExitStack() as stack:
        begin = functools.cache(lambda name: stack.enter_context(FrameworkProcess(name)))

        def get(name):
            if not is_available(name):
                pytest.skip(f"{name} is not here: make frameworks has MXNet, pip install 'unrolled[frameworks]' the others")
            return begin(name)

        yield get

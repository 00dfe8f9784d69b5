"""PyTorch, JAX and TensorFlow share one environment, and no package in it asks for another version than the one that is there."""
import subprocess
import sys


def test_the_shared_environment_agrees_with_itself():
    done = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr

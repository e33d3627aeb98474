"""Numbers too small for fast arithmetic, in a process of their own: it is a thread's setting."""

import platform
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CHILD = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
import threading
import numpy as np
from training.lora.denormals import flush_denormals
tiny = np.array([1e-40], np.float32)
def halved(): print((tiny * np.float32(0.5))[0] > 0)
halved()
print(flush_denormals())
halved()
thread = threading.Thread(target=halved)
thread.start()
thread.join()
"""


def test_a_thread_and_those_that_it_starts_take_tiny_numbers_for_nothing() -> None:
    said = subprocess.run(
        [sys.executable, "-c", CHILD], capture_output=True, text=True, check=True, timeout=60
    ).stdout.split()
    done = sys.platform == "linux" and platform.machine() == "x86_64"
    assert said == ["True", str(done), str(not done), str(not done)]

"""The other side of benches/lines, for Python: each line is a number of runs, and is answered by the milliseconds of each."""

import resource
import sys
import time
from collections.abc import Callable


def serve(load_ms: float, run: Callable[[], object], answer: Callable[[str], str]) -> None:
    print(load_ms, flush=True)
    for line in map(str.strip, sys.stdin):
        if not line:
            print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, flush=True)
        elif line.isdigit():
            times = []
            for _ in range(int(line)):
                start = time.perf_counter()
                run()
                times.append(f"{(time.perf_counter() - start) * 1000:.4f}")
            print(" ".join(times), flush=True)
        else:
            print(answer(line), flush=True)

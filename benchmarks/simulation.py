"""Gathers per second of the simulator at the paper's size: `python benchmarks/simulation.py [WORKERS] [COUNT]`."""

import resource
import sys
import time

from glowseis.survey.simulate import Acquisition, simulate_recordings


def main() -> None:
    """Simulate, and print the speed. The clock starts at the first gather, so that starting Python does not count."""
    workers, count = (int(word) for word in (sys.argv[1:] + ["2", "200"][len(sys.argv) - 1 :])[:2])
    acquisition = Acquisition.of_size(896, 640)
    recordings = simulate_recordings(count, 1, acquisition, workers=workers)
    next(recordings)
    start_s = time.perf_counter()
    made = sum(1 for _ in recordings)
    wall_s = time.perf_counter() - start_s
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    processor_s = sum(one.ru_utime + one.ru_stime for one in used)
    print(f"{made / wall_s:.1f} gathers of 896x640 per second with {workers} workers ({made} in {wall_s:.1f} s)")
    print(f"{processor_s / count:.3f} s of processor time per gather, including starting Python")
    # Linux counts in kilobytes, and for children gives the largest one.
    most_mb = [one.ru_maxrss / 1024 for one in used]
    print(f"peak memory: {most_mb[0]:.0f} MB here, {most_mb[1]:.0f} MB in a worker")


if __name__ == "__main__":
    main()

"""Timing for these scripts, and the table that they print; model/examples/speed.rs prints the same one."""
import resource
import statistics
import time


def head(name):
    print(f"{name:<28} {'side':>6} {'first ms':>9} {'then ms':>9} {'MP/s':>7} {'peak MB':>8}")


def timed(name, side, images, rounds, work):
    """Prints the time of the first pass, and the median of all passes after the second."""
    seconds = []
    for _ in range(rounds + 2):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    first, then = seconds[0], statistics.median(seconds[2:])
    rate = images * side * side / 1e6 / then
    # Largest resident memory so far; this is that of the current size, since sizes increase.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(f"{name:<28} {side:>6} {1e3 * first:>9.2f} {1e3 * then:>9.2f} {rate:>7.2f} {peak:>8.0f}", flush=True)


def rounds(side):
    return 21 if side < 1024 else 5


SIDES = (128, 512, 1024, 2048, 4096)

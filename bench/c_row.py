"""One row through a network as a C file, against the predictor: nanoseconds, the least of several rounds.

    python bench/c_row.py [--compilers gcc clang] [--rounds 30]

Both run alone in a loop, the predictor called from Python. Exit status 1 where C takes more than 1.5 times as long on
30-16-8-2 with -O2 or -O3.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from fastnn import Sequential
from fastnn.layers import Dense, Input

SIZES = ((30, 16, 8, 2), (30, 12, 20, 10, 3), (64, 100, 10), (784, 300, 100, 10))
MAIN = """#include <stdio.h>
#include <time.h>
void predict(const float *x, float *y);
int main(void)
{
    static float x[%d], y[%d];
    double best = 1e9;
    for (int r = 0; r < %d; r++) {
        clock_t start = clock();
        for (int i = 0; i < %d; i++) {
            x[i %% %d] += y[0] * 1e-9f;
            predict(x, y);
        }
        double taken = (double)(clock() - start) / CLOCKS_PER_SEC / %d * 1e9;
        if (taken < best)
            best = taken;
    }
    printf("%%.1f", best);
    return 0;
}
"""


def predictor_time(model: Sequential, calls: int, rounds: int) -> float:
    """Nanoseconds of predictor(x, out)."""
    predictor, x = model.predictor(), np.zeros(model.program.inputs, dtype=np.float32)
    out, best = np.zeros(model.program.outputs, dtype=np.float32), float("inf")
    for _ in range(rounds):
        start = time.process_time()
        for _ in range(calls):
            predictor(x, out)
        best = min(best, (time.process_time() - start) / calls * 1e9)
    return best


def c_time(folder: Path, sizes: tuple[int, ...], compiler: str, level: str, calls: int, rounds: int) -> float:
    """Nanoseconds of predict(x, y), compiled apart from the loop that calls it."""
    text = MAIN % (sizes[0], sizes[-1], rounds, calls, sizes[0], calls)
    (folder / "main.c").write_text(text, encoding="ascii")
    for one in (["-std=c99", level, "-c", "net.c"], ["-std=c99", "-O2", "main.c", "net.o", "-o", "main", "-lm"]):
        subprocess.run([compiler, *one], cwd=folder, check=True)
    return float(subprocess.run([folder / "main"], capture_output=True, text=True, check=True).stdout)


def main() -> None:
    known = [one for one in ("gcc", "clang", "clang-19", "clang-14") if shutil.which(one)]
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])  # type: ignore[union-attr]
    parser.add_argument("--compilers", nargs="*", default=known)
    parser.add_argument("--rounds", type=int, default=30)
    given = parser.parse_args()
    most = 0.0
    for sizes in SIZES:
        inner = [Dense(n, "relu") for n in sizes[1:-1]]
        model = Sequential([Input(sizes[0]), *inner, Dense(sizes[-1], "softmax")], rng=0)
        calls = 20000 if sizes[0] < 100 else 300
        base = predictor_time(model, calls, given.rounds)
        print(f"{'-'.join(map(str, sizes)):16} predictor {base:8.1f} ns", end="")
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            model.to_c(folder / "net.c")
            for compiler in given.compilers:
                for level in ("-O2", "-O3"):
                    found = c_time(folder, sizes, compiler, level, calls, given.rounds)
                    print(f", {compiler} {level} {found:.1f} ({found / base:.2f})", end="")
                    most = max(most, found / base) if sizes == SIZES[0] else most
        print()
    sys.exit(most > 1.5)


if __name__ == "__main__":
    main()

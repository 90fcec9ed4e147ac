"""One competitor in a process of its own: answers the coordinator's JSON lines, and sleeps between them.

    python worker.py training torch 2 0,1        kind, competitor, threads, cores ("" for any)

A request {"call": name, "arguments": {...}} calls that method of the competitor; the answer is what it returns, or
{"error": reason}. The first answer, without a request, holds the versions.
"""

import importlib
import json
import os
import sys
from typing import Any, TextIO


def pin(cores: str) -> None:
    """Binds this process and all its later threads. Before any import: libraries count cores when they are loaded."""
    if cores:
        os.sched_setaffinity(0, {int(core) for core in cores.split(",")})


def private_stdout() -> TextIO:
    """The stream of answers; what libraries print goes to stderr instead."""
    stream = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    return stream


def reason(error: BaseException) -> str:
    """The error in one line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"[:300]


def serve(kind: str, name: str, threads: int, answers: TextIO) -> None:
    """Answers until stdin ends."""
    competitor: Any = None

    def answer(work: Any) -> None:
        try:
            reply = work()
        except Exception as error:  # whatever a competitor raises is its result
            reply = {"error": reason(error)}
        answers.write(json.dumps(reply) + "\n")

    def start() -> dict[str, str]:
        nonlocal competitor
        competitor = importlib.import_module(kind).COMPETITORS[name](threads)
        return competitor.versions()

    answer(start)
    for line in sys.stdin:
        request = json.loads(line)
        answer(lambda request=request: getattr(competitor, request["call"])(**request["arguments"]) or {})


if __name__ == "__main__":
    pin(sys.argv[4])
    serve(sys.argv[1], sys.argv[2], int(sys.argv[3]), private_stdout())

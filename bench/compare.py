"""Speed of training beside scikit-learn, PyTorch, Keras on JAX, and JAX. See README.md.

python bench/compare.py --peers-python PATH --output DIR
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import peers
from peers import Missing, Worker
from training import COMPETITORS, OURS
from workloads import LEARNED, WORKLOADS, Workload

PEERS = [name for name in COMPETITORS if name != OURS]
SLOW = 1.3  # a peer so much slower than the best one cannot decide anything and gets fewer rounds
SLOW_ROUNDS = 3
NOT_SLOWER = 0.97  # two threads count as not slower than one within 3 %: the noise of a median
QUICK_STEPS = 20


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def measure(worker: Worker) -> dict[str, Any]:
    """One measurement of a worker that has been made ready."""
    return worker.ask("run", epochs=worker.epochs)


def make_ready(worker: Worker, workload: Workload) -> dict[str, Any]:
    """Checks that a competitor learns, then loads the data of the epochs; Missing where it does not take part."""
    check = worker.ask("check", case=workload.name)
    if not check["after"] < LEARNED * check["before"]:
        raise Missing(f"does not learn: loss {check['before']:.3f} before, {check['after']:.3f} after the check")
    loaded = worker.ask("load", steps=workload.steps)
    worker.epochs = loaded["epochs"]
    return check | loaded


def ready(workers: dict[str, Worker], workload: Workload) -> tuple[dict[str, dict], dict[str, str]]:
    """What is known of each competitor that takes part, and the reasons of the others."""
    facts, missing = {}, {}
    for name, worker in workers.items():
        try:
            facts[name] = make_ready(worker, workload)
        except Missing as error:
            missing[name] = str(error)
    if OURS not in facts:
        raise SystemExit(f"{workload.title}: fastnn itself: {missing[OURS]}")
    different = [name for name in facts if facts[name]["checksum"] != facts[OURS]["checksum"]]
    if different:
        raise SystemExit(f"{workload.title}: other data than fastnn's in {', '.join(different)}")
    return facts, missing


def rounds_of(facts: dict[str, dict], rounds: int) -> dict[str, int]:
    """Rounds for each peer: all for those near the best one."""
    seconds = {name: fact["seconds"] for name, fact in facts.items() if name != OURS}
    best = min(seconds.values(), default=0)
    return {name: rounds if value < SLOW * best else min(rounds, SLOW_ROUNDS) for name, value in seconds.items()}


def compare(workload: Workload, threads: int, workers: dict[str, Worker], rounds: int) -> dict[str, Any]:
    """One case with one number of threads."""
    facts, missing = ready(workers, workload)
    disturbing = peers.restless([workers[name] for name in facts])
    ours = workers[OURS]
    chosen = {name: (workers[name], count) for name, count in rounds_of(facts, rounds).items()}
    quads = peers.interleave(ours, chosen, rounds, measure)
    own = [quad[i] for group in quads.values() for quad in group for i in (0, 3)]
    own = own or [measure(ours) for _ in range(rounds)]  # no peer at all
    result = {
        "case": workload.name,
        "network": workload.title,
        "threads": threads,
        "microseconds": {OURS: float(np.median([m["microseconds"] for m in own]))},
        "fma_share": peers.spread([facts[OURS]["flops"] * 1e6 / m["microseconds"] / (m["fma"] * threads) for m in own]),
        "ratios": {},
        "required": workload.required.get(threads),
        "learning": {name: [fact["before"], fact["after"]] for name, fact in facts.items()},
        "missing": missing,
        "restless": disturbing,
        "measurements": quads,
    }
    for name, group in quads.items():
        result["microseconds"][name] = float(np.median([quad[i]["microseconds"] for quad in group for i in (1, 2)]))
        result["ratios"][name] = peers.spread(peers.ratios(group, "microseconds"))
    return result | verdict(result)


def verdict(result: dict[str, Any]) -> dict[str, Any]:
    """The best peer, and whether the required ratio is reached."""
    if not result["ratios"]:
        return {"best": None, "reached": None}
    best = min(result["ratios"], key=lambda name: result["ratios"][name]["median"])
    required = result["required"]
    return {"best": best, "reached": None if required is None else result["ratios"][best]["median"] >= required}


def compare_threads(workload: Workload, one: Worker, two: Worker, rounds: int) -> dict[str, Any]:
    """fastnn with two threads beside fastnn with one: what is too small for two must not become slower."""
    for worker in (one, two):
        make_ready(worker, workload)
    quads = peers.interleave(two, {"one thread": (one, rounds)}, rounds, measure)["one thread"]
    ratio = peers.spread(peers.ratios(quads, "microseconds"))
    return {"case": workload.name, "ratio": ratio, "reached": ratio["median"] >= NOT_SLOWER, "measurements": quads}


def run(options: argparse.Namespace) -> dict[str, Any]:
    """All cases with all numbers of threads."""
    cases = [WORKLOADS[name] for name in options.cases]
    if options.quick:
        cases = [case.shortened(QUICK_STEPS) for case in cases]
    report: dict[str, Any] = {"machine": peers.machine(), "versions": {}, "quick": options.quick, "missing": {}}
    report |= {"rounds": options.rounds, "results": [], "threads": []}
    for threads in options.threads:
        cores = options.cores[:threads] if options.cores else peers.pick_cores(threads)
        workers, missing = peers.start("training", [OURS, *options.peers], threads, cores, options.peers_python)
        one = []
        try:
            if OURS not in workers:
                raise SystemExit(f"fastnn itself: {missing[OURS]}")
            report["missing"] |= missing
            for worker in workers.values():
                report["versions"] |= worker.versions
            for case in cases:
                result = compare(case, threads, workers, options.rounds)
                report["results"].append(result)
                say(" ".join(line(result)))
            if threads > 1:
                one.append(Worker("training", OURS, 1, cores[:1]))
                for case in (case for case in cases if threads not in case.required):
                    report["threads"].append(compare_threads(case, one[0], workers[OURS], options.rounds))
        finally:
            for worker in [*workers.values(), *one]:
                worker.close()
    return report


def line(result: dict[str, Any]) -> list[str]:
    """A row of the first table."""
    cells = [result["network"], str(result["threads"])]
    for name in [OURS, *PEERS]:
        value = result["microseconds"].get(name)
        text = "-" if value is None else short(value)
        cells.append(f"**{text}**" if name == result["best"] else text)
    share = result["fma_share"]["median"]
    best = "-" if result["best"] is None else peers.show(result["ratios"][result["best"]])
    required = "-" if result["required"] is None else f"{result['required']:g}"
    return [*cells, best, required, yes(result["reached"]), f"{share:.0%}"]


def short(value: float) -> str:
    """Three digits, or all before the point."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def yes(reached: bool | None) -> str:
    return "-" if reached is None else "yes" if reached else "**no**"


def markdown(report: dict[str, Any]) -> str:
    """The report as a page."""
    lines = peers.heading("Speed of training", report["machine"], report["versions"], report["quick"])
    lines += [
        "Microseconds per step: median. Ratio: the peer's time over ours, median of paired rounds (10th to 90th"
        " percentile); the best peer is bold. FMA share: ours, of what the cores could do at the same moment.",
        "",
    ]
    heads = ["network, batch", "threads", OURS, *PEERS, "ratio to best peer", "required", "reached", "FMA share"]
    lines += peers.table(heads, [line(result) for result in report["results"]])
    lines += ["## Ratio against each peer, (rounds)", ""]
    rows = []
    for result in report["results"]:
        shown = {name: f"{peers.show(ratio)} ({ratio['count']})" for name, ratio in result["ratios"].items()}
        rows.append([result["network"], str(result["threads"]), *(shown.get(name, "-") for name in PEERS)])
    lines += peers.table(["network, batch", "threads", *PEERS], rows)
    if report["threads"]:
        lines += ["## fastnn with one thread over fastnn with several", ""]
        rows = [[r["case"], peers.show(r["ratio"]), f"{NOT_SLOWER:g}", yes(r["reached"])] for r in report["threads"]]
        lines += peers.table(["case", "ratio", "required", "reached"], rows)
    lines += ["## Learning check: loss before and after", ""]
    rows = []
    for result in report["results"]:
        shown = {name: f"{before:.3f}, {after:.3f}" for name, (before, after) in result["learning"].items()}
        rows.append([result["network"], str(result["threads"]), *(shown.get(name, "-") for name in [OURS, *PEERS])])
    lines += peers.table(["network, batch", "threads", OURS, *PEERS], rows)
    return "\n".join(lines + remarks(report))


def remarks(report: dict[str, Any]) -> list[str]:
    """Who is missing and who disturbed."""
    lines = [f"- {name} is missing: {reason}" for name, reason in report["missing"].items()]
    for result in report["results"]:
        where = f"{result['network']}, threads {result['threads']}"
        lines += [f"- {where}: {name} is missing: {reason}" for name, reason in result["missing"].items()]
        lines += [f"- {where}: {name} used the CPU while idle" for name in result["restless"]]
    return [*lines, ""] if lines else []


def plot(report: dict[str, Any], path: Path) -> None:
    """Bars of microseconds per step on a logarithmic scale, with the ratio against each peer."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    counts = sorted({result["threads"] for result in report["results"]})
    figure, axes = plt.subplots(len(counts), 1, figsize=(13, 4.6 * len(counts)), squeeze=False, layout="constrained")
    for ax, threads in zip(axes[:, 0], counts, strict=True):
        results = [result for result in report["results"] if result["threads"] == threads]
        draw(ax, results)
        ax.set_title(f"Training, {threads} thread{'s' * (threads > 1)}: time of a step; label: how many times fastnn's")
        low = min(value for result in results for value in result["microseconds"].values())
        high = max(value for result in results for value in result["microseconds"].values())
        ax.set_ylim(low / 2, high * 3)
    axes[0, 0].legend(ncols=len(COMPETITORS), loc="upper left", fontsize=9)
    versions = ", ".join(f"{name} {version}" for name, version in sorted(report["versions"].items()))
    quick = " A QUICK RUN: THE NUMBERS MEAN NOTHING." if report["quick"] else ""
    figure.supxlabel(f"{report['machine']['cpu']}, {report['machine']['date']}. {versions}.{quick}", fontsize=8)
    figure.savefig(path, dpi=150)


def label(result: dict[str, Any], name: str) -> str:
    """What stands over a bar: fastnn's time, or the peer's ratio."""
    if name == OURS:
        return short(result["microseconds"][OURS])
    ratio = result["ratios"][name]["median"]
    return f"{ratio:.0f}×" if ratio >= 10 else f"{ratio:.2f}×"


def draw(ax: Any, results: list[dict[str, Any]]) -> None:
    """One number of threads: a group of bars for each case."""
    # Okabe and Ito's colours, which colour-blind readers can tell apart, with hatches for print
    colours = ("#000000", "#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#D55E00")
    hatches = ("", "//", "\\\\", "..", "xx", "--")
    width = 0.85 / len(COMPETITORS)
    for i, (name, colour, hatch) in enumerate(zip(COMPETITORS, colours, hatches, strict=True)):
        found = [(x, result) for x, result in enumerate(results) if name in result["microseconds"]]
        places = [x + (i - (len(COMPETITORS) - 1) / 2) * width for x, _ in found]
        heights = [result["microseconds"][name] for _, result in found]
        bars = ax.bar(places, heights, width, label=name, color=colour, hatch=hatch, edgecolor="white", linewidth=0.5)
        labels = [label(result, name) for _, result in found]
        ax.bar_label(bars, labels, fontsize=7, padding=2)
    ax.set_yscale("log")
    ax.set_ylabel("µs per step (logarithmic)")
    ax.set_xticks(range(len(results)), [result["network"] for result in results])
    ax.grid(axis="y", alpha=0.3)
    ax.set_axisbelow(True)


def names(known: Any) -> Any:
    """The parser of a list of names."""

    def parse(text: str) -> list[str]:
        chosen = [name for name in text.split(",") if name]
        if unknown := [name for name in chosen if name not in known]:
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; known: {', '.join(known)}")
        return chosen

    return parse


def main() -> None:
    parser = peers.parser("Speed of training beside the peers.", rounds=7)
    parser.add_argument("--peers", type=names(PEERS), default=PEERS, help=f"some of {','.join(PEERS)} (all)")
    parser.add_argument(
        "--cases", type=names(WORKLOADS), default=list(WORKLOADS), help=f"some of {','.join(WORKLOADS)} (all)"
    )
    parser.add_argument("--threads", type=peers.numbers, default=[1, 2], help="numbers of threads (1,2)")
    options = parser.parse_args()
    if options.quick:
        options.rounds = 1
    report = run(options)
    peers.publish("training", report, markdown(report), options.output)
    if options.output:
        try:
            plot(report, options.output / "training.png")
        except ImportError as error:
            say(f"no plot: {error}")


if __name__ == "__main__":
    main()

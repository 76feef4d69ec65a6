"""Measures this project beside its peers; benchmark.sh has prepared everything that this needs."""

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

import machine
import report
from agreement import measure_agreement
from network_rounds import measure_network, measure_peak
from others import Others
from pipeline_rounds import measure_pass_through, measure_pipeline, measure_streams
from pixels import measure_pixels
from settings import Settings
from start_rounds import measure_start
from training_rounds import measure_training

SECTIONS = {
    "network": measure_network,
    "peak": measure_peak,
    "pipeline": measure_pipeline,
    "pixels": measure_pixels,
    "pass_through": measure_pass_through,
    "streams": measure_streams,
    "start": measure_start,
    "training": measure_training,
    "agreement": measure_agreement,
}


def use_cores(threads: int) -> int:
    """Keeps this process and all that it starts on so many cores. @return how many"""
    cores = sorted(os.sched_getaffinity(0))
    if threads > len(cores):
        sys.exit(f"error: --threads {threads}: this process may use {len(cores)} cores")
    if threads > 0:
        cores = cores[:threads]
        os.sched_setaffinity(0, cores)
    return len(cores)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--peers-python", required=True)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="*", choices=SECTIONS, default=list(SECTIONS))
    o = parser.parse_args()
    threads = use_cores(o.threads)
    settings = Settings(o.build, o.output, o.peers_python, o.photos, o.model, threads, o.quick)
    settings.log.unlink(missing_ok=True)
    results: dict[str, Any] = {
        "machine": machine.describe(o.peers_python),
        "threads": threads,
        "rounds": settings.rounds,
        "seconds": settings.seconds,
        "photos": str(o.photos),
        "model": str(o.model or ""),
        "others": {},
    }
    others = Others()
    time.sleep(2)
    if others.share() > 0.03:
        print(f"warning: other programs take {others.share():.0%} of the machine's time; figures will suffer")
    start = time.monotonic()
    for name in o.only:
        others = Others()
        results[name] = SECTIONS[name](settings)
        results["others"][name] = round(others.share(), 3)
        results["minutes"] = round((time.monotonic() - start) / 60, 1)
        report.write(results, o.output)
    print(f"== {o.output / 'results.md'} and results.json, after {results['minutes']} minutes")


if __name__ == "__main__":
    main()

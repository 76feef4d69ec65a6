"""What the peers' processes share: they take turns on the same cores, as tests/benchmarks/turns.h says it."""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Turn = Callable[[float], dict[str, Any]]


def say(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


def rate(seconds: float, batch_size: int, run: Callable[[], None]) -> dict[str, Any]:
    """Frames/s of `run`, repeated for so many seconds after a fifth of a second that is not counted."""
    warm = time.perf_counter() + 0.2
    run()
    while time.perf_counter() < warm:
        run()
    start = time.perf_counter()
    batches, elapsed = 0, 0.0
    while elapsed < seconds:
        run()
        batches += 1
        elapsed = time.perf_counter() - start
    return {"frames_per_s": batches * batch_size / elapsed, "batches": batches}


def take_turns(prepare: Callable[[], tuple[str, Turn]]) -> None:
    """Says what `prepare` describes, or why it cannot; then works for each line "go SECONDS" on stdin."""
    try:
        description, turn = prepare()
    except Exception as error:  # whatever a library raises is why there is no figure
        say({"error": f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}"})
        sys.exit(1)
    say({"description": description})
    for line in sys.stdin:
        word, seconds = line.split()
        if word != "go":
            say({"error": f'expected "go SECONDS", found "{line.strip()}"'})
            sys.exit(1)
        say(turn(float(seconds)))


def arguments(description: str | None, batch_size: int = 1) -> argparse.ArgumentParser:
    """What every peer is told."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--batch-size", type=int, default=batch_size)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    return parser


def model_path(models: Path, network: str, precision: str, kind: str) -> Path:
    """Where models.py puts the file of that kind: "pth", "onnx", "xml" or "safetensors"."""
    return models / f"{network}{'-int8' if precision == 'int8' else ''}.{kind}"

"""Processes that take turns on the same cores, and the figures of their turns."""

import json
import os
import random
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PRECISIONS = ("fp32", "bf16", "int8")


@dataclass
class Contestant:
    """One process that works only when it is told to (tests/benchmarks/turns.h), and what it said."""

    name: str
    precision: str
    command: list[str]
    seconds: float  # of a turn
    unit: str = "frames_per_s"
    environment: dict[str, str] = field(default_factory=dict)
    error: str = ""  # why there is no figure; set beforehand when that is known
    description: str = ""
    rates: list[float] = field(default_factory=list)
    answers: list[dict[str, Any]] = field(default_factory=list)
    process: subprocess.Popen[str] | None = None

    def start(self, log: Path) -> None:
        if self.error:
            return
        with log.open("a") as stderr:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                env=os.environ | self.environment,
            )
        self.description = self.read(log).get("description", "")

    def take_turn(self, log: Path) -> None:
        if self.error or self.process is None or self.process.stdin is None:
            return
        self.process.stdin.write(f"go {self.seconds}\n")
        self.process.stdin.flush()
        answer = self.read(log)
        if not self.error:
            self.answers.append(answer)
            self.rates.append(answer[self.unit])

    def read(self, log: Path) -> dict[str, Any]:
        """The process's next line; its end without one, or an error in it, ends this contestant's part."""
        assert self.process and self.process.stdout
        line = self.process.stdout.readline()
        try:
            answer: dict[str, Any] = json.loads(line)
        except ValueError:
            answer = {"error": f"ended without an answer (see {log.name})"}
        self.error = answer.get("error", "")
        if self.error:
            self.rates.clear()  # rounds that the others have and this one has not cannot be compared
            self.stop()
        return answer

    def stop(self) -> None:
        if self.process is None:
            return
        if self.process.stdin:
            self.process.stdin.close()
        self.process.wait()
        self.process = None

    def result(self) -> dict[str, Any]:
        result: dict[str, Any] = {"name": self.name, "precision": self.precision}
        if self.error:
            return result | {"error": self.error}
        return result | {"description": self.description, "unit": self.unit, "rates": self.rates}


def run_rounds(contestants: list[Contestant], rounds: int, log: Path) -> list[dict[str, Any]]:
    """Starts them all, lets them take turns for so many rounds, and returns their results.

    The order is another in each round, so that nobody always comes behind the same neighbour; those of one precision,
    which are compared, come one after another.
    """
    order = random.Random(0)
    precisions = list(dict.fromkeys(contestant.precision for contestant in contestants))
    try:
        for contestant in contestants:
            contestant.start(log)
        for _ in range(rounds):
            for precision in order.sample(precisions, len(precisions)):
                group = [contestant for contestant in contestants if contestant.precision == precision]
                for contestant in order.sample(group, len(group)):
                    contestant.take_turn(log)
    finally:
        for contestant in contestants:
            contestant.stop()
    return [contestant.result() for contestant in contestants]

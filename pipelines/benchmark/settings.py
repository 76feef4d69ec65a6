"""What a run measures, and where everything is."""

import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import peer


@dataclass
class Settings:
    build: Path
    output: Path
    python: str  # of the peers' environment
    photos: Path
    model: Path | None  # a trained one, for the accuracy
    threads: int
    quick: bool
    quantized: dict[Path, tuple[Path, str]] = field(default_factory=dict)  # in this run, by fp32 file

    @property
    def networks(self) -> list[str]:
        return ["resnet34"] if self.quick else ["resnet18", "resnet34", "resnet50"]

    @property
    def rounds(self) -> int:
        return 4 if self.quick else 6

    @property
    def seconds(self) -> float:
        """Of a turn."""
        return 1.0 if self.quick else 2.0

    @property
    def short_rounds(self) -> int:
        """As much time in more turns, for frames/s: what else a host does changes within seconds."""
        return 3 * self.rounds

    @property
    def short_seconds(self) -> float:
        """Of a turn of theirs."""
        return self.seconds / 3

    @property
    def scripts(self) -> Path:
        """The folder of this file, with the peers' scripts."""
        return Path(__file__).resolve().parent

    @property
    def models(self) -> Path:
        return self.output / "models"

    @property
    def log(self) -> Path:
        return self.output / "stderr.log"

    def program(self, name: str) -> str:
        return str(self.build / "tests" / "benchmarks" / name)

    def file(self, network: str, precision: str, kind: str) -> Path:
        return peer.model_path(self.models, network, precision, kind)

    def our_file(self, fp32: Path, precision: str) -> tuple[Path, str]:
        """The model file for resnetclassify in that precision, and why there is none (empty: there is).

        int8 is quantized from the fp32 file by this project's own command, once in a run, however much it loses:
        the agreement says that.
        """
        if precision != "int8":
            return fp32, ""
        if fp32 not in self.quantized:
            output = self.models / f"{fp32.stem}-int8.safetensors"
            data = self.photos if fp32 == self.model else self.models / "calibration"
            command = [str(self.build / "training" / "resnet"), "--quiet", "quantize", str(fp32), str(data)]
            command += ["--output", str(output), "--max-loss", "100"]
            done = subprocess.run(command, capture_output=True, text=True)
            said = done.stderr.strip().splitlines() or ["failed"]
            self.quantized[fp32] = output, "" if done.returncode == 0 else f"`resnet quantize`: {said[-1]}"
        return self.quantized[fp32]

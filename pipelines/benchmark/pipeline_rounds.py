"""Whole pipelines of ResNet-34: frames of 1280x720 NV12 in, annotated frames out."""

from typing import Any

import network_rounds
from contestants import PRECISIONS, Contestant, run_rounds
from settings import Settings

NETWORK = "resnet34"


def element(settings: Settings, precision: str, **properties: int | str) -> tuple[list[str], str]:
    """resnetclassify as gst-launch-1.0's arguments, and why there is no model file for it (empty: there is)."""
    fp32 = settings.file(NETWORK, "fp32", "pth")
    model, error = settings.our_file(fp32, precision) if precision != "auto" else (fp32, "")
    arguments = ["resnetclassify", f"model={model}", f"precision={precision}", f"threads={settings.threads}"]
    arguments += ["overlay=false", "qos=false"]
    return arguments + [f"{name.replace('_', '-')}={value}" for name, value in properties.items()], error


def as_text(arguments: list[str]) -> str:
    """The same as one text for gst_parse_launch."""
    kind, *properties = arguments
    pairs = [text.split("=", 1) for text in properties]
    return " ".join([kind] + [f'{name}="{value}"' for name, value in pairs])


def pipeline(settings: Settings, name: str, precision: str, *arguments: str, error: str = "") -> Contestant:
    command = [settings.program("bench-pipeline"), *arguments]
    return Contestant(name, precision, command, settings.short_seconds, error=error)


def ours(settings: Settings, name: str, precision: str, *arguments: str, **properties: int | str) -> Contestant:
    classify, error = element(settings, precision, **properties)
    return pipeline(settings, name, precision, as_text(classify), *arguments, error=error)


def peer(settings: Settings, precision: str, batch_size: int) -> Contestant:
    model = settings.file(NETWORK, precision, "xml" if precision == "int8" else "onnx")
    command = [settings.python, str(settings.scripts / "peer_pipeline.py"), "--model", str(model)]
    command += ["--precision", precision, "--batch-size", str(batch_size), "--threads", str(settings.threads)]
    return Contestant("OpenVINO pipeline", precision, command, settings.short_seconds)


def measure_pipeline(settings: Settings) -> list[dict[str, Any]]:
    """Frames/s of the pipeline beside those of the network alone, and beside OpenVINO behind videoconvert."""
    results = []
    for batch_size in (8,) if settings.quick else network_rounds.BATCH_SIZES:
        print(f"   pipeline, batch {batch_size} ...", flush=True)
        contestants = [network_rounds.ours(settings, NETWORK, p, batch_size) for p in PRECISIONS]
        contestants += [ours(settings, "pipeline", p, batch_size=batch_size) for p in PRECISIONS]
        contestants += [peer(settings, p, batch_size) for p in PRECISIONS]
        results.append(
            {"batch_size": batch_size, "contestants": run_rounds(contestants, settings.short_rounds, settings.log)}
        )
    return results


def measure_pass_through(settings: Settings) -> list[dict[str, Any]]:
    """Processor time for a frame at 30 frames/s when nothing is classified, with the element and without it."""
    print("   pass-through at 30 frames/s ...", flush=True)
    contestants = [
        ours(settings, "with", "auto", "--fps", "30", inference_interval=1000000),
        pipeline(settings, "without", "", "--fps", "30"),
    ]
    for contestant in contestants:
        contestant.unit = "processor_s_per_frame"
        contestant.seconds = 2 * settings.seconds
    return run_rounds(contestants, settings.rounds, settings.log)


def measure_streams(settings: Settings) -> list[dict[str, Any]]:
    """Frames/s of sixteen streams that share one network, all together, beside those of one stream."""
    print("   sixteen streams ...", flush=True)
    contestants = [ours(settings, f"{n} streams", "auto", "--streams", str(n)) for n in (1, 16)]
    return run_rounds(contestants, settings.short_rounds, settings.log)

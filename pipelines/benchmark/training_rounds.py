"""Training beside loops in Python: pictures/s of ResNet-18 at 128 pixels, from files to steps."""

from typing import Any

from contestants import Contestant, run_rounds
from settings import Settings

NETWORK, SIZE = "resnet18", 128


def measure_training(settings: Settings) -> list[dict[str, Any]]:
    """Ours in bf16 and fp32, a careful loop in bf16, and what torchvision's reference script does in fp32."""
    print("   training ...", flush=True)
    train = settings.photos / "train"
    pictures = train if train.is_dir() else settings.photos
    seconds = 6 * settings.seconds  # some twenty steps
    common = ["--size", str(SIZE), "--threads", str(settings.threads)]

    def ours(precision: str) -> Contestant:
        command = [settings.program("bench-training"), "--data", str(settings.photos), "--arch", NETWORK, *common]
        return Contestant("ours", precision, [*command, "--precision", precision], seconds, "pictures_per_s")

    def peer(name: str, precision: str, loop: str) -> Contestant:
        command = [settings.python, str(settings.scripts / "peer_training.py"), "--loop", loop]
        command += ["--data", str(pictures), "--network", NETWORK, *common]
        return Contestant(name, precision, command, seconds, "pictures_per_s")

    contestants = [ours("bf16"), ours("fp32"), peer("Python loop", "bf16", "plain")]
    contestants.append(peer("torchvision's recipe", "fp32", "reference"))
    return run_rounds(contestants, settings.rounds, settings.log)

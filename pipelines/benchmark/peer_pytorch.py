"""PyTorch as a contestant: torchvision's module as it is, or compiled; frames/s by turns."""

from pathlib import Path

import torch
import torch._inductor.config
import torchvision

import peer


def prepare(path: Path, network: str, batch_size: int, threads: int, compiled: bool) -> tuple[str, peer.Turn]:
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    weights = torch.load(path, weights_only=True)
    module = torchvision.models.get_model(network, weights=None, num_classes=len(weights["fc.bias"]))
    module.load_state_dict(weights)
    module = module.eval().to(memory_format=torch.channels_last)
    batch = (torch.rand(batch_size, 3, 224, 224) * 4 - 2).to(memory_format=torch.channels_last)
    description = f"PyTorch {torch.__version__}, module in channels-last"
    if compiled:
        torch._inductor.config.freezing = True
        module = torch.compile(module)
        description = f"PyTorch {torch.__version__}, torch.compile with frozen weights"

    def run() -> None:
        with torch.inference_mode() if not compiled else torch.no_grad():
            module(batch)

    run()
    return description, lambda seconds: peer.rate(seconds, batch_size, run)


def main() -> None:
    parser = peer.arguments(__doc__)
    parser.add_argument("--network", required=True)
    parser.add_argument("--compile", action="store_true")
    o = parser.parse_args()
    peer.take_turns(lambda: prepare(o.model, o.network, o.batch_size, o.threads, o.compile))


if __name__ == "__main__":
    main()

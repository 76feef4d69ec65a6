"""Makes the files that are compared: torchvision's networks with random weights as .pth, ONNX, and int8 for OpenVINO
and ONNX Runtime. Runs in the peers' environment.

Random weights do for speed. Batch norms get the statistics of the calibration pictures, so that activations neither
die nor blow up, and int8 has ranges to find.
"""

import argparse
import json
import logging
import os
import shutil
import sys
import warnings
from pathlib import Path

os.environ["NNCF_CI"] = "1"  # sends no telemetry

import nncf
import numpy as np
import onnxruntime as ort
import openvino as ov
import torch
import torchvision
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from torchvision.datasets.folder import is_image_file
from torchvision.io import ImageReadMode, decode_image
from torchvision.transforms import v2

import peer

PICTURES_PER_CLASS = 20


def choose_pictures(photos: Path, folder: Path) -> None:
    """Copies some pictures of each class, evenly spread, to `folder`/CLASS: all int8 is calibrated on them."""
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    classes = sorted(path for path in photos.iterdir() if path.is_dir() and not path.name.startswith("."))
    for source in classes:
        paths = sorted(path for path in source.iterdir() if is_image_file(str(path)))
        (part / source.name).mkdir(parents=True)
        for path in paths[:: max(1, len(paths) // PICTURES_PER_CLASS)][:PICTURES_PER_CLASS]:
            shutil.copy(path, part / source.name)
    if len(classes) < 2 or any(not any(path.iterdir()) for path in part.iterdir()):
        sys.exit(f"error: {photos} is no folder with a sub-folder of pictures for each of two classes or more")
    part.rename(folder)


def read_pictures(folder: Path) -> torch.Tensor:
    """[n, 3, 224, 224], normalised as torchvision does."""
    transform = v2.Compose(
        [
            v2.Resize(256),
            v2.CenterCrop(224),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    paths = sorted(folder.glob("*/*"))
    pictures = torch.stack([transform(decode_image(str(path), ImageReadMode.RGB)) for path in paths])
    return pictures[torch.randperm(len(pictures), generator=torch.Generator().manual_seed(0))]


def make_module(network: str, classes: int, pictures: torch.Tensor) -> torch.nn.Module:
    torch.manual_seed(0)
    module = torchvision.models.get_model(network, weights=None, num_classes=classes)
    for layer in module.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = None  # the mean of all batches
    module.train()
    with torch.no_grad():
        for batch in pictures.split(16):
            module(batch)
    return module.eval()


def count_macs(module: torch.nn.Module) -> int:
    """Multiplications with addition for one picture, from the shapes of convolutions and head."""
    macs = 0

    def add(layer: torch.nn.Module, _inputs: object, output: torch.Tensor) -> None:
        nonlocal macs
        weight = layer.weight
        macs += output.numel() * weight[0].numel()

    handles = [
        layer.register_forward_hook(add)
        for layer in module.modules()
        if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear)
    ]
    with torch.no_grad():
        module(torch.zeros(1, 3, 224, 224))
    for handle in handles:
        handle.remove()
    return macs


def export_onnx(module: torch.nn.Module, path: Path) -> None:
    program = torch.onnx.export(
        module,
        (torch.zeros(2, 3, 224, 224),),
        dynamo=True,
        input_names=["input"],
        output_names=["logits"],
        dynamic_shapes={"x": {0: "batch"}},
        verbose=False,
    )
    program.save(path, external_data=False)


def quantize_openvino(onnx: Path, path: Path, pictures: torch.Tensor) -> None:
    batches = [picture[None].numpy() for picture in pictures]
    model = nncf.quantize(ov.Core().read_model(onnx), nncf.Dataset(batches), subset_size=len(batches))
    ov.save_model(model, path, compress_to_fp16=False)


class Reader(CalibrationDataReader):
    def __init__(self, pictures: torch.Tensor) -> None:
        self.batches = iter(pictures.split(1))

    def get_next(self) -> dict[str, np.ndarray] | None:
        batch = next(self.batches, None)
        return None if batch is None else {"input": batch.numpy()}


def quantize_onnxruntime(onnx: Path, path: Path, pictures: torch.Tensor) -> None:
    prepared = path.with_suffix(".prepared.onnx")
    quant_pre_process(onnx, prepared, skip_symbolic_shape=True)
    quantize_static(
        prepared,
        path,
        Reader(pictures),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
    prepared.unlink()


def make_network(network: str, folder: Path, classes: int, pictures: torch.Tensor) -> None:
    module = make_module(network, classes, pictures)
    torch.save(module.state_dict(), peer.model_path(folder, network, "fp32", "pth"))
    onnx = peer.model_path(folder, network, "fp32", "onnx")
    export_onnx(module, onnx)
    quantize_openvino(onnx, peer.model_path(folder, network, "int8", "xml"), pictures)
    quantize_onnxruntime(onnx, peer.model_path(folder, network, "int8", "onnx"), pictures)
    # Last, and in one step: with it the network is complete.
    information = {
        "macs": count_macs(module),
        "parameters": sum(parameter.numel() for parameter in module.parameters()),
    }
    made = folder / f"{network}.json"
    made.with_suffix(".part").write_text(json.dumps(information))
    made.with_suffix(".part").rename(made)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--photos", type=Path, required=True, help="a folder with a sub-folder for each class")
    parser.add_argument("networks", nargs="+")
    options = parser.parse_args()
    missing = [network for network in options.networks if not (options.output / f"{network}.json").exists()]
    if not missing:
        return
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    ort.set_default_logger_severity(3)
    options.output.mkdir(parents=True, exist_ok=True)
    calibration = options.output / "calibration"
    if not calibration.exists():
        choose_pictures(options.photos, calibration)
    pictures = read_pictures(calibration)
    classes = len(list(calibration.iterdir()))
    for network in missing:
        print(f"   {network} ...", flush=True)
        make_network(network, options.output, classes, pictures)


if __name__ == "__main__":
    main()

"""How often each precision names the class that the fp32 reference names, with a trained model on photographs."""

import json
import subprocess
from typing import Any

from contestants import PRECISIONS
from settings import Settings


def measure_agreement(settings: Settings) -> list[dict[str, Any]]:
    if settings.model is None:
        return []
    held_out = settings.photos / "val"
    photos = held_out if held_out.is_dir() else settings.photos
    results = []
    for precision in PRECISIONS:
        print(f"   agreement, {precision} ...", flush=True)
        model, error = settings.our_file(settings.model, precision)
        if error:
            results.append({"precision": precision, "error": error})
            continue
        command = [settings.program("bench-agreement"), "--reference", str(settings.model), "--model", str(model)]
        command += ["--precision", precision, "--threads", str(settings.threads), str(photos)]
        with settings.log.open("a") as stderr:
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=stderr, text=True)
        answer = json.loads(done.stdout) if done.stdout.strip() else {"error": f"failed (see {settings.log.name})"}
        results.append({"precision": precision} | answer)
    return results

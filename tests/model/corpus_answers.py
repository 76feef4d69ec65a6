"""Reads files as torch.load(weights_only=True) and safetensors do, and compares with what we said of them.

    corpus_answers.py FOLDER ANSWERS     ANSWERS: JSON, by file {"tensors": [[dtype, shape, sha256], …]} or {"error": …}

Files are read in other processes: some end them. Prints a table of the reasons; fails for a file where
tensors differ, or without a reason.
"""

import collections
import hashlib
import json
import os
import re
import resource
import select
import signal
import sys
import warnings

import safetensors.torch
import torch

# What we refuse and Python reads: a part of our message, and why.
STRICTER = {
    r"CRC|contradicts itself|zip flags|data descriptor|compressed|encrypted": "zip: CRC, flags, sizes that disagree",
    r"zip director(y|ies)|zip64|several disks|zip entries|front of its first|behind its entry|zip archive|comment"
    r"|in no folder|top folders|no entry where|unsafe name|stored and yet": "zip: nothing but what torch.save writes",
    r" twice": "names that are there twice",
    r"behind (the|its) ": "data behind the end",
    r"far more memory|in its storage|reaches behind|overflows|negative|16 dimensions|sizes than strides"
    r"|tensors need": "views beyond their storage, or far larger than the file",
    r"nested deeper|more than|memo|64 MiB": "limits of depth, number and size",
    r"opcode|pickle (sets|appends|calls|makes|ends|takes|recalls|names|of protocol)|has a pickle|protocol"
    r"|asks for": "pickles: nothing but what state dicts need",
    r"no tensors|expected a state dict|holds no|is a list|is a tensor|state dict": "not a state dict of tensors",
    r"unusable name|no plain|no text|UTF-8|no JSON|byte order": "text that is none",
    r"storage|is damaged|truncated|TorchScript|data\.pkl": "parts that contradict each other",
    r"__metadata__|model description|not supported|exactly dtype": "safetensors: unknown types and metadata",
    r"no checkpoint": "no magic bytes at the beginning",
}
# What we read and Python refuses: a part of its message, and why.
WIDER = {
    r"Cannot use ``weights_only=True`` with files saved in the legacy .tar format": "the old tar format",
    r"Unsupported global|Unsupported class": "data beside the tensors is dropped unread",
    r"Unsupported operand": "opcodes of the protocols 4 and 5",
    r"'utf-8' codec can't decode": "text beside the tensors is dropped unread",
}


def tensors_in(value, found, depth=0):
    if isinstance(value, torch.Tensor):
        bytes_ = value.detach().contiguous().view(-1).view(torch.uint8) if value.numel() else torch.zeros(0)
        if value.dtype == torch.bool:
            bytes_ = bytes_.ne(0).to(torch.uint8)  # PyTorch keeps the file's bytes, of which any but 0 is true
        digest = hashlib.sha256(bytes_.numpy().tobytes()).hexdigest()
        found.append([str(value.dtype).removeprefix("torch."), list(value.shape), digest])
    elif depth < 50 and isinstance(value, dict):
        for key, item in value.items():
            tensors_in(item, found, depth + 1)
    elif depth < 50 and isinstance(value, (list, tuple)):
        for item in value:
            tensors_in(item, found, depth + 1)


def read(path):
    if path.endswith(".safetensors"):
        with open(path, "rb") as file:
            value = safetensors.torch.load(file.read())
    else:
        value = torch.load(path, map_location="cpu", weights_only=True)
    found = []
    tensors_in(value, found)
    return {"tensors": found}


def answer_to(path):
    try:
        return read(path)
    except BaseException as error:  # noqa: BLE001: whatever it is, it is the answer
        return {"error": f"{type(error).__name__}: {error}".split("WeightsUnpickler error: ")[-1][:2000]}


def read_lines(descriptor):
    """The lines that come, until the other end is closed or silent for 20 seconds."""
    text = b""
    while select.select([descriptor], [], [], 20)[0]:
        piece = os.read(descriptor, 1 << 16)
        if not piece:
            break
        *lines, text = (text + piece).split(b"\n")
        yield from lines


def python_says(paths):
    """What a process of its own says of each: it may crash, hang, or take all memory, and another goes on behind."""
    answers = []
    while len(answers) < len(paths):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            resource.setrlimit(resource.RLIMIT_AS, (16 << 30, 16 << 30))
            for path in paths[len(answers) :]:
                os.write(writer, json.dumps(answer_to(path)).encode() + b"\n")
            os._exit(0)
        os.close(writer)
        answers += [json.loads(line) for line in read_lines(reader)]
        os.close(reader)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if len(answers) < len(paths):
            answers.append({"error": f"the process ended with {status}", "crashed": True})
    return answers


def reason_in(table, message):
    for pattern, reason in table.items():
        if re.search(pattern, message):
            return reason
    return None


def main():
    folder, answers = sys.argv[1], json.load(open(sys.argv[2], encoding="utf-8"))
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    counts, problems = collections.Counter(), []
    said = python_says([os.path.join(folder, name) for name in answers])
    for (name, ours), python in zip(answers.items(), said):
        if "error" in ours and "error" in python:
            counts["both refuse it" + (" (Python by a crash)" if python.get("crashed") else "")] += 1
        elif "error" in ours:
            reason = reason_in(STRICTER, ours["error"])
            counts[f"stricter: {reason}"] += 1
            if reason is None:
                problems.append(f"{name}: Python reads it, and we say: {ours['error']}")
        elif "error" in python:
            reason = "Python crashes" if python.get("crashed") else reason_in(WIDER, python["error"])
            counts[f"wider: {reason}"] += 1
            if reason is None:
                problems.append(f"{name}: we read it, and Python says: {python['error']}")
        else:
            missing = [tensor for tensor in ours["tensors"] if tensor not in python["tensors"]]
            counts["equal tensors"] += 1
            if missing:
                problems.append(f"{name}: {missing} are not among Python's {python['tensors']}")
    for what, count in sorted(counts.items()):
        print(f"{count:5} {what}")
    if problems:
        sys.exit("\n".join(problems))


main()

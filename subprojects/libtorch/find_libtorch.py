"""Prints the folder of the LibTorch to use, or nothing: the one that `import torch` would find.

Only looks for the package's folder; torch itself is not imported, so a LibTorch without its Python
dependencies serves too.
"""

import importlib.util

spec = importlib.util.find_spec("torch")
if spec and spec.submodule_search_locations:
    print(next(iter(spec.submodule_search_locations)), end="")

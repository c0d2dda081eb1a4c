"""The names of torchvision's classification networks, read without importing it, which takes seconds."""

import functools
import re
from importlib.util import find_spec
from pathlib import Path

BUILDER = re.compile(r"^@register_model\(\)\n(?:@.*\n)*def (\w+)\(", re.MULTILINE)
"""How torchvision makes a network known; those for other tasks are in folders below."""


@functools.cache
def architectures() -> tuple[str, ...]:
    """All of them, in the order of the alphabet."""
    spec = find_spec("torchvision")
    assert spec is not None and spec.origin is not None, "torchvision is one of the program's libraries"
    files = (Path(spec.origin).parent / "models").glob("*.py")
    return tuple(sorted(name for file in files for name in BUILDER.findall(file.read_text(encoding="utf-8"))))

"""What the figures were measured on and with."""

import json
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import peer
import psutil
import torch

from runner.machine import cores

OURS = ("torch", "mlflow", "optuna", "hydra-core")
PEERS = ("lightning", "ray", "hydra-optuna-sweeper", "optuna")


def machine(device: str) -> str:
    """Processor, cores and memory, and the GPU where that is what is measured."""
    memory = psutil.virtual_memory().total / 2**30
    said = [_processor(), f"{cores()} cores", f"{memory:.0f} GiB"]
    if device == "cuda":
        gpu = torch.cuda.get_device_properties(0)
        said.append(f"{gpu.name} with {gpu.total_memory / 2**30:.0f} GiB")
    return ", ".join(said)


def versions() -> str:
    """Of Python and of the libraries, ours and the peers'."""
    own = [f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in OURS)]
    return f"{', '.join(own)}; the peers: {_peers()}"


def _peers() -> str:
    code = f"import importlib.metadata as m, json; print(json.dumps([m.version(name) for name in {PEERS}]))"
    try:
        done = subprocess.run([peer.environment(), "-c", code], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "not installed"
    return ", ".join(f"{name} {found}" for name, found in zip(PEERS, json.loads(done.stdout), strict=True))


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()

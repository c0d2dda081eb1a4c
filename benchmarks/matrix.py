"""What a device computes at most: floating-point operations a second in a product of two square matrices.

python benchmarks/matrix.py --device=cpu --precision=bf16
"""

import json
import statistics
import time
from argparse import ArgumentParser

import torch

SIZE = {"cpu": 2048, "cuda": 8192}
TIMES = 10


def main() -> None:
    """Prints a line of JSON."""
    parser = ArgumentParser()
    parser.add_argument("--device", required=True)
    parser.add_argument("--precision", required=True, choices=("fp32", "bf16"))
    options = parser.parse_args()
    size = SIZE[options.device]
    kind = {"fp32": torch.float32, "bf16": torch.bfloat16}[options.precision]
    left, right = (torch.randn(size, size, dtype=kind, device=options.device) for _ in range(2))
    seconds = [_seconds(left, right) for _ in range(TIMES)][2:]  # the first choose their kernels
    print(json.dumps({"flops_per_second": 2 * size**3 / statistics.median(seconds)}))


def _seconds(left: torch.Tensor, right: torch.Tensor) -> float:
    began = time.perf_counter()
    torch.mm(left, right)
    if left.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Whole passes of ResNet-18 over images of CIFAR-10's shape by PyTorch, beside ours of the same run.

Reads the lines of JSON that CudaPassMeasure printed, adds a line for each pass of its own to standard output, and
prints the table of ratios to standard error. Channels last and TF32; wall time, from images on the host to sums on
the device.
"""
import argparse
import json
import statistics
import sys
import time

import torch
from torch.nn import functional

from torch_peers import CLASSES, require, resnet18, vmap_fisher

BATCH = 256
REFERENCE_BATCH = 64
VMAP_BATCH = 128
DISTINCT = 512
LONG = 60  # seconds after which no pass of the same kind begins
EPOCH = "forward and backward"


class Work:
    """The model and the images, on the host as a loader has them."""

    def __init__(self, device, samples, width):
        torch.manual_seed(1)
        self.device, self.samples = device, samples
        self.model = resnet18(width).to(device, memory_format=torch.channels_last).eval()
        self.images = torch.randn(DISTINCT, 3, 32, 32).contiguous(memory_format=torch.channels_last)
        if device == "cuda":
            self.images = self.images.pin_memory()
        self.weights = list(self.model.parameters())

    def batches(self, size):
        for first in range(0, self.samples, size):
            count = min(size, self.samples - first)
            at = first % (DISTINCT - size + 1)
            x = self.images[at : at + count].to(self.device, non_blocking=True)
            yield x, torch.arange(first, first + count, device=self.device) % CLASSES

    def gradient(self, x, labels):
        for p in self.weights:
            p.grad = None
        functional.cross_entropy(self.model(x), labels).backward()

    def epoch(self):
        for x, labels in self.batches(BATCH):
            self.gradient(x, labels)

    def reference(self):
        """Selective synaptic dampening's importance: squares of batch gradients, added up."""
        total = [torch.zeros_like(p) for p in self.weights]
        for x, labels in self.batches(REFERENCE_BATCH):
            self.gradient(x, labels)
            for into, p in zip(total, self.weights):
                into.add_(p.grad.detach().clone().pow(2))

    def exact(self):
        total = None
        for x, labels in self.batches(VMAP_BATCH):
            squares = vmap_fisher(self.model, x, labels)()
            total = squares if total is None else {k: v.add_(squares[k]) for k, v in total.items()}


def wait(device):
    if device == "cuda":
        torch.cuda.synchronize()


def seconds(device, call, runs):
    """The median of as many passes as there is time for, at least one, after one that warms up."""
    call()
    wait(device)
    if device == "cuda":  # what trying cuDNN's algorithms took is not the passes'
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    times = []
    while not times or len(times) < runs and sum(times) < LONG:
        begin = time.perf_counter()
        call()
        wait(device)
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def measure(options):
    device = options.device
    work = Work(device, options.samples, options.width)
    passes = [(EPOCH, work.epoch), (f"squares of batches of {REFERENCE_BATCH}", work.reference)]
    if hasattr(torch, "func"):
        passes.append(("exact Fisher", work.exact))
    for name, call in passes:
        taken = seconds(device, call, options.runs)
        yield {
            "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
            "by": f"PyTorch {torch.__version__} " + ("TF32" if device == "cuda" else "FP32"),
            "name": name, "samples": options.samples, "seconds": taken,
            "peakBytes": torch.cuda.max_memory_reserved() if device == "cuda" else 0,
        }


def table(rows):
    """Every pass in epochs of PyTorch's own forward and backward."""
    epoch = next(row["seconds"] for row in rows if row["name"] == EPOCH)
    print(f"{'pass':26} {'by':24} {'images':>7} {'seconds':>12} {'of an epoch':>12} {'peak MB':>9}", file=sys.stderr)
    for row in rows:
        known = isinstance(row["seconds"], (int, float))
        taken = f"{row['seconds']:.3f}" if known else row["seconds"]
        ratio = f"{row['seconds'] / epoch:.2f}" if known else "-"
        print(
            f"{row['name']:26} {row['by']:24} {row['samples']:7} {taken:>12} {ratio:>12} {row['peakBytes'] / 1e6:9.0f}",
            file=sys.stderr,
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda")
    parser.add_argument("--samples", type=int, default=50_000)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--beside", help="a file of CudaPassMeasure's lines")
    options = parser.parse_args()
    require(options.device)
    rows = []
    if options.beside:
        with open(options.beside) as lines:
            rows = [json.loads(line) for line in lines]
    for row in measure(options):
        print(json.dumps(row), flush=True)
        rows.append(row)
    table(rows)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""The work of PassBenchmark, DampenBenchmark and SelectTopBenchmark by PyTorch, as rows of a report in JSON.

Launched by the benchmarks themselves (--python), so that ratios come from one run on one machine. On a GPU times
are device events, in TF32 and channels last, what a PyTorch user would choose; on the CPU a monotonic clock.
"""
import argparse
import json
import math
import sys
import time

import torch
from torch import nn
from torch.nn import functional

CLASSES = 10
WIDTH = 64
RESNET_18 = 11_173_962
RATE, MOMENTUM, WEIGHT_DECAY = 0.01, 0.9, 5e-4


def unit(inputs, outputs, stride=1):
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )


class Residual(nn.Module):
    """x + body(x)."""

    def __init__(self, body):
        super().__init__()
        self.body = body

    def forward(self, x):
        return x + self.body(x)


class Basic(nn.Module):
    """ResNet-18's block."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.first = unit(inputs, outputs, stride)
        self.second = nn.Sequential(
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs)
        )
        self.shortcut = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x):
        return functional.relu(self.second(self.first(x)) + self.shortcut(x))


def lenet():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, CLASSES),
    )


def resnet9():
    w = WIDTH
    return nn.Sequential(
        unit(3, w), unit(w, 2 * w), nn.MaxPool2d(2),
        Residual(nn.Sequential(unit(2 * w, 2 * w), unit(2 * w, 2 * w))),
        unit(2 * w, 4 * w), nn.MaxPool2d(2), unit(4 * w, 8 * w), nn.MaxPool2d(2),
        Residual(nn.Sequential(unit(8 * w, 8 * w), unit(8 * w, 8 * w))),
        nn.MaxPool2d(4), nn.Flatten(), nn.Linear(8 * w, CLASSES),
    )


def resnet18(width=WIDTH):
    blocks, inputs = [unit(3, width)], width
    for stage in range(4):
        outputs = width << stage
        for block in range(2):
            blocks.append(Basic(inputs, outputs, 2 if stage > 0 and block == 0 else 1))
            inputs = outputs
    return nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, CLASSES))


NETWORKS = {"lenet": (lenet, (1, 28, 28)), "resnet9": (resnet9, (3, 32, 32)), "resnet18": (resnet18, (3, 32, 32))}


class Clock:
    """Times calls; after a warm-up each of `repetitions` on its own."""

    def __init__(self, device, repetitions):
        self.device = device
        self.repetitions = repetitions

    def milliseconds(self, call):
        for _ in range(3):
            call()
        times = []
        for _ in range(self.repetitions):
            if self.device == "cuda":
                start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
                start.record()
                call()
                end.record()
                end.synchronize()
                times.append(start.elapsed_time(end))
            else:
                begin = time.perf_counter()
                call()
                times.append((time.perf_counter() - begin) * 1e3)
        return times


# Half widths of 99.9 % intervals of the mean, by degrees of freedom (Student's t), as JMH reports them.
STUDENT = {2: 31.6, 3: 12.92, 4: 8.61, 5: 6.87, 6: 5.96, 7: 5.41, 8: 5.04, 9: 4.78, 14: 4.14, 19: 3.88}


def row(name, parameters, times):
    n = len(times)
    mean = sum(times) / n
    deviation = math.sqrt(sum((t - mean) ** 2 for t in times) / max(1, n - 1))
    freedom = max((f for f in STUDENT if f <= n - 1), default=None)
    interval = STUDENT[freedom] * deviation / math.sqrt(n) if freedom else "NaN"
    return {
        "benchmark": name, "parameters": parameters, "milliseconds": mean, "interval": interval,
        "iterations": n, "gigabytesPerSecond": 0.0, "gigaflopsPerSecond": 0.0, "roof": "none",
        "fraction": 0.0, "heapBytes": "NaN",
    }


def passes(device, on, names, samples, clock):
    for name in names:
        build, image = NETWORKS[name]
        torch.manual_seed(1)
        model = build().to(device)
        x = torch.randn(samples, *image, device=device)
        if len(image) == 3 and image[0] > 1:
            model, x = model.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
        labels = torch.arange(samples, device=device) % CLASSES
        weights = list(model.parameters())
        importance = [torch.zeros_like(p) for p in weights]
        optimiser = torch.optim.SGD(weights, RATE, MOMENTUM, weight_decay=WEIGHT_DECAY)

        def gradient(batch, classes):
            optimiser.zero_grad()
            functional.cross_entropy(model(batch), classes).backward()

        def training_step():
            gradient(x, labels)
            optimiser.step()

        def add_squares():
            with torch.no_grad():
                for total, p in zip(importance, weights):
                    total += p.grad**2

        def batch_squared():
            gradient(x, labels)
            add_squares()

        def sample_loop():
            for i in range(samples):
                gradient(x[i : i + 1], labels[i : i + 1])
                add_squares()

        parameters = {"network": name, "samples": str(samples), "threads": on}
        model.train()
        yield row("PyTorchPassBenchmark.trainingStep", parameters, clock.milliseconds(training_step))
        model.eval()
        yield row("PyTorchPassBenchmark.batchSquaredImportance", parameters, clock.milliseconds(batch_squared))
        yield row("PyTorchPassBenchmark.sampleLoopFisher", parameters, clock.milliseconds(sample_loop))
        if hasattr(torch, "func"):
            yield row(
                "PyTorchPassBenchmark.vmapFisher", parameters,
                clock.milliseconds(vmap_fisher(model, x, labels)),
            )


def vmap_fisher(model, x, labels):
    """Per-sample gradients by torch.func, squared and summed."""
    weights = {name: p.detach() for name, p in model.named_parameters()}
    buffers = dict(model.named_buffers())

    def loss(weights, sample, label):
        output = torch.func.functional_call(model, (weights, buffers), (sample.unsqueeze(0),))
        return functional.cross_entropy(output, label.unsqueeze(0))

    gradients = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0, 0))

    def call():
        return {name: (g**2).sum(0) for name, g in gradients(weights, x, labels).items()}

    return call


def sweeps(device, on, size, clock):
    values, forget, reference = torch.randn(size, device=device), *torch.rand(2, size, device=device)
    for selected in (0.01, 0.5):

        def dampen():
            where = torch.where(forget > 0.5 / selected * reference)[0]
            factors = (reference * 2.0**20 / forget).pow(1)[where]
            factors[torch.where(factors > 1)[0]] = 1
            values[where] = values[where].mul(factors)

        def select():
            ranks = torch.argsort(torch.argsort(-values.abs()))
            return (ranks < round(selected * size)).long()

        parameters = {"selected": str(selected), "weights": str(size), "threads": on}
        yield row("PyTorchSweepBenchmark.dampen", parameters, clock.milliseconds(dampen))
        yield row("PyTorchSweepBenchmark.selectOneRatio", parameters, clock.milliseconds(select))


def require(device):
    """Ends the program where there is no such device; on the GPU at its usual, fast settings."""
    if device == "cuda":
        if not torch.cuda.is_available():
            sys.exit("PyTorch finds no CUDA device")
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.backends.cudnn.allow_tf32 = True
        torch.backends.cudnn.benchmark = True


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda")
    parser.add_argument("--threads", type=int, default=1, help="on the CPU")
    parser.add_argument("--networks", default="lenet,resnet9,resnet18")
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--weights", type=int, default=RESNET_18)
    parser.add_argument("--repetitions", type=int, default=10)
    parser.add_argument("--work", nargs="*", choices=["passes", "sweeps"], default=["passes", "sweeps"])
    options = parser.parse_args()
    require(options.device)
    if options.device == "cpu":
        torch.set_num_threads(options.threads)
    on = "cuda" if options.device == "cuda" else str(options.threads)
    clock = Clock(options.device, options.repetitions)
    rows = []
    if "passes" in options.work:
        rows += passes(options.device, on, options.networks.split(","), options.samples, clock)
    if "sweeps" in options.work:
        rows += sweeps(options.device, on, options.weights, clock)
    json.dump(rows, sys.stdout)


if __name__ == "__main__":
    main()

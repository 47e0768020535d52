"""Makes kronfluence.safetensors and curvlinops.safetensors, which PeerFixturesTest reads.

    python3 peers.py FOLDER

Made with kronfluence 884255f and curvlinops 3.0.1 under PyTorch 1.13, in float64 but for the weights, images and
vectors, which are exact in float32. The network has what both get right: zero padding, no groups, no shared weights.
"""

import copy
import logging
import sys
import tempfile

import torch
from safetensors.torch import save_file
from torch import nn
from torch.utils.data import TensorDataset

from curvlinops.ekfac import EKFACLinearOperator
from curvlinops.kfac import KFACLinearOperator
from kronfluence.analyzer import Analyzer, prepare_model
from kronfluence.arguments import FactorArguments, ScoreArguments
from kronfluence.task import Task

CLASSES = 3
LAYERS = (nn.Conv2d, nn.Linear)


class Classify(Task):
    def compute_train_loss(self, batch, model, sample=False):
        assert not sample
        return nn.functional.cross_entropy(model(batch[0]), batch[1], reduction="sum")

    def compute_measurement(self, batch, model):
        return self.compute_train_loss(batch, model)


def rows(net, split, x, scalar, out):
    """What every layer reads, and the scalar's gradient by what it writes."""
    twin = copy.deepcopy(net)
    for name, layer in twin.named_modules():
        if isinstance(layer, LAYERS):
            layer.register_forward_hook(lambda m, i, o, n=name: out.update({f"{split}.input.{n}": i[0].detach().clone()}))
            layer.register_full_backward_hook(
                lambda m, i, o, n=name: out.update({f"{split}.gradient.{n}": o[0].detach().clone()})
            )
    scalar(twin(x)).backward()


def kronfluence(net, train, query, out):
    f64 = torch.float64
    logging.disable()
    analyzer = Analyzer(
        "peers", prepare_model(copy.deepcopy(net), Classify()), Classify(), cpu=True,
        output_dir=tempfile.mkdtemp(), disable_tqdm=True, disable_model_save=True,
    )
    for strategy in ("identity", "diagonal", "kfac", "ekfac"):
        arguments = FactorArguments(
            strategy=strategy, use_empirical_fisher=True, activation_covariance_dtype=f64,
            gradient_covariance_dtype=f64, per_sample_gradient_dtype=f64, lambda_dtype=f64,
        )
        analyzer.fit_all_factors(strategy, TensorDataset(*train), factor_args=arguments, per_device_batch_size=5)
        for name, damping in (("absolute", 0.01), ("default", None)):
            how = ScoreArguments(
                damping_factor=damping, per_sample_gradient_dtype=f64, precondition_dtype=f64, score_dtype=f64
            )
            name = f"{strategy}.{name}"
            data = TensorDataset(*query), TensorDataset(*train)
            analyzer.compute_pairwise_scores(name, strategy, *data, 3, per_device_train_batch_size=5, score_args=how)
            analyzer.compute_self_scores(name, strategy, data[1], per_device_train_batch_size=5, score_args=how)
            out["pairwise." + name] = analyzer.load_pairwise_scores(name)["all_modules"]
            out["self." + name] = analyzer.load_self_scores(name)["all_modules"]
    for name, tensors in analyzer.load_all_factors("ekfac").items():
        if "eigenvectors" not in name:
            out.update({f"{name}.{layer}": value for layer, value in tensors.items()})


def curvlinops(net, x, y, out):
    vectors = torch.randn(sum(p.numel() for p in net.parameters()), 2)
    out["vectors"] = vectors
    for c in range(CLASSES):
        # The columns of diag √p − p√pᵀ, whose product with its transpose is the softmax's Hessian.
        def column(z):
            p = z.softmax(1).detach()
            return (z * (torch.eye(CLASSES, dtype=z.dtype)[c] - p) * p[:, c : c + 1].sqrt()).sum()

        rows(net, f"type2.{c}", x, column, out)
        for name in [key for key in out if ".input." in key]:
            del out[name]  # the same as kronfluence's training inputs
    for name, operator in (("kfac", KFACLinearOperator), ("ekfac", EKFACLinearOperator)):
        for sharing in ("expand", "reduce"):
            for bias in ("joint", "separate"):
                if (name, sharing) == ("ekfac", "reduce"):
                    continue  # depends on which eigenvectors span the null space of the pooled inputs
                matrix = operator(
                    net, nn.CrossEntropyLoss(), list(net.parameters()), [(x[:5], y[:5]), (x[5:], y[5:])],
                    fisher_type="type-2", kfac_approx=sharing, separate_weight_and_bias=bias == "separate",
                    check_deterministic=False,
                )
                out[f"{name}.{sharing}.{bias}"] = matrix @ vectors.double()


def main(folder):
    torch.manual_seed(7)
    net = nn.Sequential(
        nn.Conv2d(2, 3, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten(),
        nn.Linear(27, 6), nn.ReLU(), nn.Linear(6, CLASSES),
    )
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.randn(p.shape) * (0.3 if p.dim() > 1 else 0.1))
    x, qx = torch.rand(12, 2, 5, 5), torch.rand(4, 2, 5, 5)
    y, qy = torch.randint(CLASSES, (12,)), torch.randint(CLASSES, (4,))
    first = {"weight." + name: value.clone() for name, value in net.state_dict().items()}
    first.update(images=x, labels=y, query_images=qx, query_labels=qy)
    net = net.double()
    x, qx = x.double(), qx.double()
    rows(net, "train", x, lambda z: nn.functional.cross_entropy(z, y, reduction="sum"), first)
    rows(net, "query", qx, lambda z: nn.functional.cross_entropy(z, qy, reduction="sum"), first)
    kronfluence(net, (x, y), (qx, qy), first)
    second = {}
    curvlinops(net, x, y, second)
    for name, tensors in (("kronfluence", first), ("curvlinops", second)):
        save_file({k: v.detach().contiguous() for k, v in tensors.items()}, f"{folder}/{name}.safetensors")


main(sys.argv[1])

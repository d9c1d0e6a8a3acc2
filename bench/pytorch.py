#!/usr/bin/env python3
"""Times the same network in PyTorch (cuDNN on a GPU, oneDNN on a CPU): forward pass and training step.

    python3 bench/pytorch.py

Times the same work as `model/examples/speed.rs` in the same way: by the median of several passes, each waiting for the
device. On a GPU in FP32, as this project computes, then with convolutions in TF32, which is less precise.
"""

import torch
from torch import nn
from torch.nn import functional

import timing

WIDTHS = (16, 32, 64)
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
torch.backends.cudnn.benchmark = True


class Network(nn.Module):
    def __init__(self, norm):
        super().__init__()

        def layer(kind, inputs, outputs, last=False):
            parts = [kind(inputs, outputs, 3, padding=1)]
            if norm and not last:
                parts.append(nn.BatchNorm2d(outputs))
            if not last:
                parts.append(nn.ReLU())
            return nn.Sequential(*parts)

        ends = (3, *WIDTHS)
        self.encoder = nn.ModuleList(
            nn.Sequential(layer(nn.Conv2d, a, b), layer(nn.Conv2d, b, b)) for a, b in zip(ends, WIDTHS)
        )
        ends = (2, *WIDTHS)
        self.decoder = nn.ModuleList(
            nn.Sequential(layer(nn.ConvTranspose2d, b, b), layer(nn.ConvTranspose2d, b, a, a == 2))
            for a, b in reversed(list(zip(ends, WIDTHS)))
        )

    def forward(self, x):
        places = []
        for stage in self.encoder:
            x, at = functional.max_pool2d(stage(x), 2, return_indices=True)
            places.append(at)
        x = functional.dropout(x, 0.5, self.training)
        for stage in self.decoder:
            x = stage(functional.max_unpool2d(x, places.pop(), 2))
        return x


def main():
    name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    for tf32 in (False, True) if device.type == "cuda" else (False,):
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
        timing.head("PyTorch " + torch.__version__ + ", " + name + (", TF32" if tf32 else ""))
        measure()


def measure():
    network = Network(False).to(device).eval()
    with torch.inference_mode():
        for side in timing.SIDES:
            image = torch.randn(1, 3, side, side, device=device)
            timing.timed("forward", side, 1, timing.rounds(side), lambda: network(image).cpu())
    for norm in (False, True):
        network = Network(norm).to(device).train()
        optimiser = torch.optim.AdamW(network.parameters(), lr=1e-4)
        images = torch.randn(8, 3, 128, 128, device=device)

        def step():
            loss = network(images).square().mean()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            loss.item()

        name = "step with normalisation" if norm else "step"
        timing.timed(name, 128, 8, 21, step)


if __name__ == "__main__":
    main()

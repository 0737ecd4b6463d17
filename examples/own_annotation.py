"""Write an annotation of your own and use it in a Pyro program.

    python own_annotation.py

Here, annotators go through a list and name the first label that is there:
p(o = k | y) is 1 if label k is present and all labels before it are absent. So a
known label says more than that it is there. Read as a uniform pick, it misleads.
"""

import argparse

import pyro
import torch

import latentlabels as ll


class FirstOfList(ll.annotation.Annotation):
    """The known positive is the first present label in the order of the space."""

    kind = "first-of-list"

    def _before(self, observed):
        """(..., K) True for labels before the known positive, if there is one."""
        up_to = (observed == 1).flip(-1).cumsum(-1).flip(-1) > 0
        return up_to & (observed != 1)

    def log_pick(self, observed, y):
        """log p(known positives | y), given that they are present in y: (...)."""
        missed = (self._before(observed) & (y > 0.5)).any(-1)
        return torch.where(missed, -torch.inf, 0.0).to(y.dtype)

    def products(self, observed, bound, dtype):
        """The same as a product over labels, which the exact sums take."""
        known = torch.where(self._before(observed), 0, observed)
        return ll.exact.pinned(known, dtype)

    def draw(self, y, generator):
        """Draws of p(o | y): int8 (..., K) of 1 and -1."""
        first = (y > 0.5) & ((y > 0.5).cumsum(-1) == 1)
        return torch.where(first, 1, -1).to(torch.int8)


def simulate(size, seed):
    """Features (N, 8) and the true labels (N, 5)."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(8, 5, generator=torch.Generator().manual_seed(0))
    features = torch.randn(size, 8, generator=generator)
    chance = torch.sigmoid(2 * features @ weight - 0.5)
    return features, torch.bernoulli(chance, generator=generator)


def fit(space, annotation, features, known, steps):
    pyro.clear_param_store()
    torch.manual_seed(0)
    amortizer = ll.Amortizer(space, torch.nn.Identity(), num_features=8)
    model = ll.LabelModel(amortizer, annotation)
    guide = ll.LabelGuide(amortizer, annotation)
    adam = pyro.optim.Adam({"lr": 0.05})
    svi = pyro.infer.SVI(model, guide, adam, loss=ll.CollapsedELBO())
    for _ in range(steps):
        svi.step(features, known)
    return amortizer


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--steps", type=int, default=200)
    args = parser.parse_args(argv)
    space = ll.LabelSpace.free(["car", "bike", "person", "dog", "tree"])
    features, truth = simulate(args.rows, seed=1)
    known = FirstOfList().sample(truth)
    new, new_truth = simulate(1000, seed=2)
    share = truth.mean(0)
    values = {
        "prevalence alone": torch.distributions.Bernoulli(share)
        .log_prob(new_truth)
        .sum(-1)
    }
    for annotation in (ll.annotation.UniformPositive(), FirstOfList()):
        amortizer = fit(space, annotation, features, known, args.steps)
        with torch.no_grad():
            values[repr(annotation)] = amortizer(new).log_prob(new_truth)
    found = {name: value.mean().item() for name, value in values.items()}
    for name, value in found.items():
        print(f"{name:22s} log p(all labels) = {value:6.2f} per new row")
    return found


if __name__ == "__main__":
    main()

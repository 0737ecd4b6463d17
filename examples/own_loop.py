"""Train any network in a plain torch loop, by -log p(known labels | image).

python own_loop.py
"""

import argparse

import torch

import latentlabels as ll


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=1500)
    parser.add_argument("--epochs", type=int, default=15)
    args = parser.parse_args(argv)
    torch.manual_seed(0)
    scenes = ll.render_scenes(args.images, seed=0)
    images = torch.from_numpy(scenes.images) / 255
    # int8 (N, K): 1 present, 0 absent, -1 unknown; one known label for each image
    known = torch.from_numpy(scenes.observed)
    space, annotation = scenes.space, ll.annotation.UniformPositive()

    start = ll.derive_prior(space, scenes.observed, annotation)
    head = torch.nn.Linear(ll.TinyCNN.num_features, space.num_logits)
    with torch.no_grad():  # start at the prevalences, the same for every image
        head.weight.zero_()
        head.bias.copy_(start.logits)
    network = torch.nn.Sequential(ll.TinyCNN(), head)
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3)
    for epoch in range(args.epochs):
        total = 0.0
        for rows in torch.randperm(len(images)).split(64):
            q = space.distribution(network(images[rows]))
            loss = -q.log_marginal(known[rows], annotation).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        print(f"epoch {epoch + 1}: log p(known label) = {-total / len(images):.3f}")

    network.eval()
    new = ll.render_scenes(300, seed=1)
    truth = torch.from_numpy(new.truth).float()
    with torch.no_grad():
        q = space.distribution(network(torch.from_numpy(new.images) / 255))
        found = q.log_prob(truth).mean().item()
        alone = space.distribution(start.logits).log_prob(truth).mean().item()
        # the other labels, if we are told that there is a car
        car = torch.full((300, space.num_labels), -1, dtype=torch.int8)
        car[:, space.index("car")] = 1
        given = q.condition(car)
    print(f"log p(all labels) of new images: {found:.2f}")
    print(f"from the prevalences alone:      {alone:.2f}")
    print("of a new image, if it shows a car:")
    for label, p in zip(space.labels, given.marginals[0].tolist(), strict=True):
        print(f"  {label:12s} {p:.2f}")
    return {"network": found, "prevalence alone": alone}


if __name__ == "__main__":
    main()

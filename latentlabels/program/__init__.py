"""The Pyro side: the distribution over label sets, the model, the guide and the closed-form ELBO."""

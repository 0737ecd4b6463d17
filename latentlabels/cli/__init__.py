"""The command line: `latentlabels VERB`. torch, lightning and pandas are imported inside the verbs alone."""

"""The service behind `latentlabels explore` and `latentlabels serve`: a run, asked over HTTP. See docs/serving.md.

It needs the extra `serve` (fastapi, uvicorn), which `running` imports.
"""

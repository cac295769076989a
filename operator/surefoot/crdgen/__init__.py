"""From the pydantic models to what a cluster and an editor read of them.

    model ──pydantic──▶ JSON schema ──schema.py──▶ tree ─┬─structural.py──▶ crds/*.yaml
                                                         └─editor.py──────▶ crds/schemas/*.json

Each arrow is a pipeline of small functions from one schema node to another. Nothing here knows a
field by meaning; what is said of a field is said once, at the model.
"""

"""The pages of docs/ that are made from the code: docs/reference and docs/states.md."""

"""`surefoot.dev/v1alpha1`: what users write and read, as pydantic models."""

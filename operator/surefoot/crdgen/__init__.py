"""From the models to structural schemas: `crds/*.yaml`, and JSON Schemas for editors."""

"""What ``fluxstore init`` needs: from records that are there to entities and a configuration."""

from fluxstore.inference.configuration import Source, toml_text
from fluxstore.inference.folder import infer_folder
from fluxstore.inference.plan import EntityPlan, FieldPlan, Place, Plan
from fluxstore.inference.python import module_text

__all__ = [
    "EntityPlan",
    "FieldPlan",
    "Place",
    "Plan",
    "Source",
    "infer_folder",
    "module_text",
    "toml_text",
]

"""What ``fluxstore init`` needs: from records that are there to entities and a configuration."""

from fluxstore.inference.configuration import Source, toml_text
from fluxstore.inference.folder import Reading, infer_folder
from fluxstore.inference.plan import EntityPlan, FieldPlan, Place, Plan
from fluxstore.inference.python import module_text
from fluxstore.inference.tables import FoundColumn, FoundTable, HasTables, plan_tables

__all__ = [
    "EntityPlan",
    "FieldPlan",
    "FoundColumn",
    "FoundTable",
    "HasTables",
    "Place",
    "Plan",
    "Reading",
    "Source",
    "infer_folder",
    "module_text",
    "plan_tables",
    "toml_text",
]

"""Entity modules: loaded by path from the configuration's folder, or from installed packages."""

from __future__ import annotations

import hashlib
import sys
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from fluxstore.entity import Entities, entity_of, is_entity
from fluxstore.errors import ConfigError, FluxstoreError

_OWN = "fluxstore_entities_"


def load_entities(names: tuple[str, ...], file: Path, offered: tuple[type, ...]) -> Entities:
    """Return the entities of modules *names* and those that plugins offered."""
    found: dict[str, type] = {}
    for name in names:
        module = _load(name, file)
        for value in vars(module).values():
            if is_entity(value):
                found.setdefault(f"{value.__module__}.{value.__qualname__}", value)
    classes = [*found.values(), *offered]
    try:
        return Entities(entity_of(cls) for cls in classes)
    except FluxstoreError as error:
        raise ConfigError(str(error), file=str(file), key="entities") from error


def _load(name: str, file: Path) -> ModuleType:
    if not all(part.isidentifier() for part in name.split(".")):
        raise ConfigError(f"{name!r} is no module's name", file=str(file), key="entities")
    path = file.parent.joinpath(*name.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            path = candidate.resolve()
            return _imported(path) or _execute(name, path, file)
    try:
        return import_module(name)
    except ImportError as error:
        raise ConfigError(
            f"no module {name}.py beside this file, and none is installed: {error}",
            file=str(file),
            key="entities",
        ) from None
    except Exception as error:
        raise _broken(name, error, file) from error


def _imported(path: Path) -> ModuleType | None:
    """Return the application's own import of *path*: its classes are the ones it compares with."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        own = name.startswith(_OWN)
        if file and not own and file.endswith(path.name) and Path(file).resolve() == path:
            return module
    return None


def _execute(name: str, path: Path, file: Path) -> ModuleType:
    # A name of its own, so that two projects' entities.py in one process do not meet.
    digest = hashlib.sha256(str(path).encode() + path.read_bytes()).hexdigest()[:12]
    own = f"{_OWN}{digest}_{name}"
    if own in sys.modules:
        return sys.modules[own]
    spec = spec_from_file_location(own, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{path} cannot be imported", file=str(file), key="entities")
    module = module_from_spec(spec)
    sys.modules[own] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[own]
        raise _broken(name, error, file) from error
    return module


def _broken(name: str, error: Exception, file: Path) -> ConfigError:
    return ConfigError(
        f"the module {name} does not load: {type(error).__name__}: {error}",
        file=str(file),
        key="entities",
    )

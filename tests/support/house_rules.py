"""The house rules that a machine can hold: layers, hooks, plugins, sizes, SQL.

Everything is read from source (``ast``), so that a rule also sees imports inside functions.
A rule takes the house and yields one line for each violation. A new module of the core needs a
place in ``LAYERS``; nothing else here changes for it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path

import attrs

# From left to right: a module imports only from cells to its left, or inside its own package.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("errors",),
    ("filesystems", "forks", "settings", "stale", "steps"),
    ("kinds",),
    ("records",),
    ("fields",),
    ("entity",),
    ("query",),
    ("codec", "adapter"),
    ("evaluate", "asking"),
    ("ledger",),
    ("calls",),
    ("hookspecs",),
    ("routing",),
    ("plugins",),
    ("config",),
    ("backends", "bound", "verbs"),
    ("store",),
    ("aio_jobs",),
    ("aio",),
    ("migration",),
    ("inference",),
    ("cli",),
    ("testing",),
)
RANK = {name: rank for rank, cell in enumerate(LAYERS) for name in cell}
MAY_USE_THE_PUBLIC_NAMES = {"cli", "testing"}  # everything else would import itself

DRIVERS = {"psycopg", "psycopg_pool", "sqlite3", "sqlite_utils"}
SLOW_DRIVERS = DRIVERS - {"sqlite3"}
DISK_AND_DRIVERS = DRIVERS | {"os", "pathlib", "io", "shutil", "tempfile"}
LONGEST_MODULE_LINES = 400
LONGEST_FUNCTION_LINES = 70
DEEPEST_NESTING = 3

SQL = re.compile(
    r"\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|MERGE INTO|COPY|WITH|TRUNCATE|GRANT|REVOKE"
    r"|(CREATE|ALTER|DROP) (OR|UNIQUE|TEMP|TEMPORARY|TABLE|INDEX|VIEW|SCHEMA|DATABASE|FUNCTION"
    r"|TRIGGER|ROLE|USER|EXTENSION|TYPE|SEQUENCE))\s"
)
BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.Match)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@attrs.frozen
class Import:
    """One imported module, the names taken from it, and whether importing runs it at once."""

    module: str
    names: tuple[str, ...]
    at_once: bool


@attrs.frozen(slots=False)
class Module:
    """One Python file: its dotted name and its syntax tree."""

    name: str
    path: Path

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.path.read_text("utf-8"), str(self.path))

    @cached_property
    def imports(self) -> tuple[Import, ...]:
        return tuple(_imports(self.tree, at_once=True))

    @property
    def package(self) -> str:
        return self.name.partition(".")[0]

    @property
    def layer(self) -> str:
        return self.name.split(".")[1] if "." in self.name else ""

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        return (node for node in ast.walk(self.tree) if isinstance(node, FUNCTIONS))


def _imports(node: ast.AST, *, at_once: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(alias.name, (), at_once)
        elif isinstance(child, ast.ImportFrom):
            names = tuple(alias.name for alias in child.names)
            yield Import(child.module or "", names, at_once)
        else:
            later = isinstance(child, FUNCTIONS) or _only_for_type_checkers(child)
            yield from _imports(child, at_once=at_once and not later)


def _only_for_type_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


@attrs.frozen(slots=False)
class House:
    """All Python and SQL files of a checkout."""

    root: Path

    @cached_property
    def modules(self) -> dict[str, Module]:
        sources = [self.root, *sorted(self.root.glob("plugins/*/src"))]
        found = [m for source in sources for m in _modules(source)]
        return {module.name: module for module in found}

    @property
    def core(self) -> list[Module]:
        return [m for m in self.modules.values() if m.package == "fluxstore"]

    @property
    def plugins(self) -> list[Module]:
        return [m for m in self.modules.values() if m.package != "fluxstore"]

    @cached_property
    def tests(self) -> list[Module]:
        folders = [self.root / "tests", *self.root.glob("plugins/*/tests")]
        return [Module(p.stem, p) for folder in folders for p in sorted(folder.rglob("*.py"))]

    def target(self, taken: Import) -> Iterator[str]:
        """Yield the modules that *taken* names: ``from package import module`` is the module."""
        inner = [f"{taken.module}.{n}" for n in taken.names]
        yield from [name for name in inner if name in self.modules]
        if not inner or not all(name in self.modules for name in inner):
            yield taken.module

    def loaded_at_once_by(self, name: str) -> list[str]:
        """Return the modules of the house that importing *name* imports."""
        taken = [t for t in self.modules[name].imports if t.at_once]
        targets = {target for t in taken for target in self.target(t)}
        return sorted(targets & set(self.modules) - {name})

    def where(self, module: Module, node: ast.AST | None = None) -> str:
        line = f":{node.lineno}" if node is not None and hasattr(node, "lineno") else ""
        return f"{module.path.relative_to(self.root)}{line}"


def _modules(source: Path) -> Iterator[Module]:
    for package in sorted(source.glob("fluxstore*/__init__.py")):
        for path in sorted(package.parent.rglob("*.py")):
            parts = path.relative_to(source).with_suffix("").parts
            yield Module(".".join(p for p in parts if p != "__init__"), path)


def imports_only_from_the_left(house: House) -> Iterator[str]:
    for module in house.core:
        if module.layer == "":
            continue
        if module.layer not in RANK:
            yield f"{house.where(module)}: has no place in LAYERS"
            continue
        for target in (t for taken in module.imports for t in house.target(taken)):
            layer = target.split(".")[1] if target.startswith("fluxstore.") else ""
            itself = target == "fluxstore" and module.layer not in MAY_USE_THE_PUBLIC_NAMES
            right = layer and layer != module.layer and RANK.get(layer, 99) >= RANK[module.layer]
            if itself or right:
                yield f"{house.where(module)}: imports {target}"


def imports_run_in_no_circle(house: House) -> Iterator[str]:
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> Iterator[str]:
        if name in path:
            yield " → ".join((*path[path.index(name) :], name))
        elif name not in done:
            for target in house.loaded_at_once_by(name):
                yield from visit(target, (*path, name))
            done.add(name)

    for name in house.modules:
        yield from visit(name, ())


def adapters_know_no_pluggy(house: House) -> Iterator[str]:
    for module in house.modules.values():
        adapter = module.layer in {"adapter", "ledger"}
        inside_a_plugin = module in house.plugins and "." in module.name
        known = {taken.module for taken in module.imports} if adapter or inside_a_plugin else ()
        for name in known:
            if name.split(".")[0] == "pluggy" or name == "fluxstore.hookspecs":
                yield f"{house.where(module)}: imports {name}"


def hooks_bind_without_a_driver(house: House) -> Iterator[str]:
    entrances = [m for m in house.plugins if "." not in m.name]
    entrances += [m for m in house.core if m.layer == "hookspecs"]
    for module in entrances:
        direct = {t.module.split(".")[0] for t in module.imports if t.at_once} & DRIVERS
        for driver in sorted(direct | (_loaded_by(house, module.name) & SLOW_DRIVERS)):
            yield f"{house.where(module)}: importing it imports {driver}"


def _loaded_by(house: House, name: str) -> set[str]:
    seen, waiting = set(), [name]
    while waiting:
        current = waiting.pop()
        if current not in seen and current in house.modules:
            taken = [t for t in house.modules[current].imports if t.at_once]
            waiting += [target for t in taken for target in house.target(t)]
        seen.add(current)
    return {name.split(".")[0] for name in seen}


def plugins_use_public_names_only(house: House) -> Iterator[str]:
    for module in house.plugins:
        for taken in module.imports:
            package = taken.module.split(".")[0]
            if package.startswith("fluxstore_") and package != module.package:
                yield f"{house.where(module)}: imports another plugin, {package}"
            private = _private_names(house, taken) if package == "fluxstore" else ()
            yield from (f"{house.where(module)}: {name} is not public" for name in private)


def _private_names(house: House, taken: Import) -> Iterator[str]:
    public = _public_names(house.modules.get(taken.module))
    for name in (*taken.module.split("."), *taken.names):
        submodule = f"{taken.module}.{name}" in house.modules
        listed = public is None or name not in taken.names or name in public or submodule
        if name.startswith("_") or not listed:
            yield f"{taken.module}.{name}"


def _public_names(module: Module | None) -> list[str] | None:
    for node in module.tree.body if module else ():
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return None


def store_asks_nothing_about_phases(house: House) -> Iterator[str]:
    for module in (m for m in house.core if m.layer == "store"):
        for node in ast.walk(module.tree):
            test = node.subject if isinstance(node, ast.Match) else getattr(node, "test", None)
            if isinstance(test, ast.AST) and "phase" in ast.unparse(test).lower():
                yield f"{house.where(module, node)}: decides by phase"


def phases_hold_no_sql_and_touch_no_file(house: House) -> Iterator[str]:
    for module in (m for m in house.plugins if m.package == "fluxstore_phases"):
        for taken in module.imports:
            if taken.module.split(".")[0] in DISK_AND_DRIVERS:
                yield f"{house.where(module)}: imports {taken.module}"
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "open":
                yield f"{house.where(module, node)}: opens a file"
            if isinstance(node, ast.Constant) and SQL.match(str(node.value)):
                yield f"{house.where(module, node)}: holds SQL"


def public_lists_are_sorted_and_true(house: House) -> Iterator[str]:
    for module in (m for m in house.modules.values() if m.path.stem == "__init__"):
        public = _public_names(module)
        if public is None and module.name == "fluxstore":
            yield f"{house.where(module)}: has no __all__"
        if public is not None and public != sorted(set(public), key=_list_order):
            yield f"{house.where(module)}: __all__ is not sorted, or names something twice"
    for node in house.modules["fluxstore"].tree.body:
        dunder = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).startswith("__")
        docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if not (dunder or docstring or isinstance(node, ast.Import | ast.ImportFrom)):
            yield f"fluxstore/__init__.py:{node.lineno}: is more than public names"


def _list_order(name: str) -> tuple[int, str]:
    return (0 if name.isupper() else 1 if name[:1].isupper() else 2), name


def modules_and_functions_are_short(house: House) -> Iterator[str]:
    for module in (*house.modules.values(), *house.tests):
        lines = len(module.path.read_text("utf-8").splitlines())
        if lines > LONGEST_MODULE_LINES:
            yield f"{house.where(module)}: {lines} lines"
        for function in module.functions():
            lines = _lines_of_code(function)
            if lines > LONGEST_FUNCTION_LINES:
                yield f"{house.where(module, function)}: {function.name} has {lines} lines"


def _lines_of_code(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count without the docstring: a hook's has five parts and an example."""
    first = function.body[0]
    told = ast.get_docstring(function) is not None
    docstring = (first.end_lineno or 0) - first.lineno + 1 if told else 0
    return (function.end_lineno or 0) - function.lineno + 1 - docstring


def nesting_is_shallow(house: House) -> Iterator[str]:
    for module in (*house.modules.values(), *house.tests):
        for function in module.functions():
            depth = _depth(function.body)
            if depth > DEEPEST_NESTING:
                yield f"{house.where(module, function)}: {function.name} nests {depth} deep"


def _depth(nodes: list[ast.stmt] | list[ast.AST]) -> int:
    return max((_depth_of(node) for node in nodes), default=0)


def _depth_of(node: ast.AST) -> int:
    if isinstance(node, (*FUNCTIONS, ast.ClassDef, ast.expr)):
        return 0
    inner: list[ast.AST] = list(ast.iter_child_nodes(node))
    if isinstance(node, ast.If) and len(node.orelse) == 1 and isinstance(node.orelse[0], ast.If):
        chained = node.orelse[0]  # elif is as deep as its if
        return max(1 + _depth([n for n in inner if n is not chained]), _depth_of(chained))
    return isinstance(node, BLOCKS) + _depth(inner)


def sql_is_never_formatted(house: House) -> Iterator[str]:
    for module in house.modules.values():
        for node in ast.walk(module.tree):
            text = _formatted_text(node)
            if text is not None and SQL.match(text):
                yield f"{house.where(module, node)}: SQL made by formatting"


def _formatted_text(node: ast.AST) -> str | None:
    match node:
        case ast.JoinedStr(values=[ast.Constant(value=str(text)), _, *_]):
            return text
        case ast.BinOp(left=ast.Constant(value=str(text)), op=ast.Mod() | ast.Add()):
            return text
        case ast.Call(func=ast.Attribute(value=ast.Constant(value=str(text)), attr="format")):
            return text
        case _:
            return None


def sql_files_say_what_they_are_for(house: House) -> Iterator[str]:
    for folder in ("fluxstore", "plugins", "sql", "examples"):
        for path in sorted((house.root / folder).rglob("*.sql")):
            if not path.read_text("utf-8").startswith("-- "):
                yield f"{path.relative_to(house.root)}: does not begin with a line '-- …'"


def tests_wait_on_conditions_and_mock_nothing(house: House) -> Iterator[str]:
    for module in house.tests:
        if any(taken.module == "unittest.mock" for taken in module.imports):
            yield f"{house.where(module)}: imports unittest.mock"
        polling = {
            c for n in ast.walk(module.tree) if isinstance(n, ast.While) for c in ast.walk(n)
        }
        for node in ast.walk(module.tree):
            sleeps = isinstance(node, ast.Call) and ast.unparse(node.func) in {
                "sleep",
                "time.sleep",
            }
            if sleeps and node not in polling:
                yield f"{house.where(module, node)}: sleeps instead of waiting on a condition"


RULES: tuple[Callable[[House], Iterator[str]], ...] = (
    imports_only_from_the_left,
    imports_run_in_no_circle,
    adapters_know_no_pluggy,
    hooks_bind_without_a_driver,
    plugins_use_public_names_only,
    store_asks_nothing_about_phases,
    phases_hold_no_sql_and_touch_no_file,
    public_lists_are_sorted_and_true,
    modules_and_functions_are_short,
    nesting_is_shallow,
    sql_is_never_formatted,
    sql_files_say_what_they_are_for,
    tests_wait_on_conditions_and_mock_nothing,
)

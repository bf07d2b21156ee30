"""A whole file made anew: its frame, what stands beside the arrays, and the arrays in order."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from fluxstore_json.folding import Fold, Piece, laid_out
from fluxstore_json.frame import Path
from fluxstore_json.index import Index
from fluxstore_json.moment import Moment
from fluxstore_json.opened import OpenFile
from fluxstore_json.places import Place
from fluxstore_json.style import Style, style_of

Tree: TypeAlias = "dict[str, Tree | bytes | Place]"
"""An object around arrays: names to inner objects, to other values' text, and to arrays."""


def framed(
    moment: Moment,
    file: str,
    beside: Mapping[Path, bytes] | None = None,
    *,
    planned: Collection[str] = (),
    style: Style | None = None,
    frame: Sequence[Path] = (),
) -> Iterator[Piece]:
    """Yield *file* made anew, with *beside* around its arrays.

    *planned* names the entities whose order is in the index's plan; *style* and *frame* are those
    of a file that is not there yet.
    """
    shelf = moment.shelf(file)
    index, roots = shelf.index, moment.places.roots(file)
    styles = {place.name: _style(shelf.file, index, place, style) for place in roots}
    index.clear("clear_touched")

    def elements(place: Place) -> Iterator[Piece]:
        fold = Fold(moment, place, planned)
        fold.touch()
        return laid_out(fold.planned(styles[place.name]), styles[place.name])

    if not roots[0].path:
        yield roots[0].shape.opening
        yield from elements(roots[0])
        yield roots[0].shape.closing + b"\n"
        return
    tree = _tree(index.frame or frame, {**index.beside, **(beside or {})}, roots)
    yield from _object(tree, elements, styles[roots[0].name], 0)
    yield b"\n"


def _style(file: object, index: Index, place: Place, wished: Style | None) -> Style:
    depth = len(place.path)
    if isinstance(file, OpenFile):
        return style_of(file, index.bounds[place.path], depth)
    return wished or Style(lead=b"\n" + b"  " * (depth + 1), tail=b"\n" + b"  " * depth)


def _tree(frame: Sequence[Path], beside: Mapping[Path, bytes], roots: tuple[Place, ...]) -> Tree:
    by_path = {place.path: place for place in roots}
    tree: Tree = {}
    for path in dict.fromkeys((*frame, *beside, *by_path)):
        around = tree
        for name in path[:-1]:
            around = around.setdefault(name, {})  # type: ignore[assignment]
        value = by_path.get(path) or beside.get(path)
        if value is not None:
            around[path[-1]] = value
    return tree


def _object(
    tree: Tree, elements: Callable[[Place], Iterator[Piece]], style: Style, depth: int
) -> Iterator[Piece]:
    step, is_open = style.step, bool(style.step) or style.is_spaced
    margin = b"\n" + step * (depth + 1) if step else b""
    before = b"{"
    for name, value in tree.items():
        yield before + margin + json.dumps(name, ensure_ascii=False).encode()
        yield b": " if is_open else b":"
        if isinstance(value, dict):
            yield from _object(value, elements, style, depth + 1)
        elif isinstance(value, bytes):
            lead = b"\n" + step * (depth + 1) if step else b""
            yield Style(lead, b"", step, style.is_spaced).document(value)
        else:
            yield value.shape.opening
            yield from elements(value)
            yield value.shape.closing
        before = b", " if is_open and not step else b","
    yield (b"\n" + step * depth if step else b"") + b"}"


def wrapper_of(beside: Mapping[Path, bytes]) -> dict[str, Any]:
    """Return what stands beside arrays as one JSON object."""
    made: dict[str, Any] = {}
    for path, raw in beside.items():
        around = made
        for name in path[:-1]:
            around = around.setdefault(name, {})
        around[path[-1]] = msgspec.json.decode(raw)
    return made


def beside_of(wrapper: Mapping[str, Any], roots: tuple[Place, ...]) -> dict[Path, bytes]:
    """Return the values of a wrapper that stand beside the arrays of *roots*."""
    made: dict[Path, bytes] = {}

    def visit(value: Mapping[str, Any], path: Path) -> None:
        for name, inner in value.items():
            here = (*path, name)
            if any(here == place.path for place in roots):
                continue
            holds = any(here == place.path[: len(here)] for place in roots)
            if holds and isinstance(inner, dict):
                visit(inner, here)
            else:
                made[here] = msgspec.json.encode(inner)

    visit(wrapper, ())
    return made

"""Folders of JSON files in shapes that are not Flux Studio's: a blog, a shop, a club, …"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

AUTHORS = 4
POSTS = 25


def blog(folder: Path) -> Path:
    """Arrays at the top of their files, numeric ids, comments inside posts, a category tree."""
    authors = [
        {"id": at, "name": f"Author {at}", "email": f"author{at}@example.com", "bio": None}
        for at in range(1, AUTHORS + 1)
    ]
    categories = [
        {"id": 1, "name": "All", "parentId": None},
        {"id": 2, "name": "Travel", "parentId": 1},
        {"id": 3, "name": "Alps", "parentId": 2},
    ]
    _write(folder / "authors.json", authors)
    _write(folder / "categories.json", categories)
    _write(folder / "posts.json", [_post(at) for at in range(1, POSTS + 1)])
    return folder


def _post(at: int) -> dict[str, Any]:
    post: dict[str, Any] = {
        "id": at,
        "authorId": at % AUTHORS + 1,
        "categoryId": at % 3 + 1,
        "title": f"Post {at}",
        "HTMLBody": "<p>…</p>",
        "published": at % 2 == 0,
        "publishedAt": f"2026-03-{at:02}T08:00:00+01:00" if at % 2 == 0 else None,
        "rating": at if at % 5 else at / 2,
        "reads": at * 10**15,
        "tags": ["alps", "snow"][: at % 3],
        "comments": [
            {"id": at * 100 + n, "authorId": n % AUTHORS + 1, "text": "good", "score": n - 1}
            for n in range(at % 4)
        ],
    }
    if at % 7 == 0:
        post["canonical-url"] = f"https://example.com/{at}"
    return post


def shop(folder: Path) -> Path:
    """Wrapped arrays in snake_case, amounts as numbers, order lines without an id of their own."""
    products = [
        {"sku": f"SKU-{at:04}", "name": f"Product {at}", "unit_price": at * 1.1, "in_stock": at}
        for at in range(1, 13)
    ]
    customers = [
        {"customer_id": f"C{at:05}", "email": f"c{at}@example.org", "address": {"city": "Bern"}}
        for at in range(1, 6)
    ]
    _write(folder / "products.json", {"currency": "CHF", "items": products})
    _write(folder / "customers.json", {"customers": customers, "next_number": 6})
    _write(folder / "orders.json", {"version": 2, "orders": [_order(at) for at in range(1, 31)]})
    _write(folder / "settings.json", {"theme": "dark", "languages": ["de", "fr"]})
    return folder


def _order(at: int) -> dict[str, Any]:
    lines = [
        {
            "line_no": n,
            "product_sku": f"SKU-{(at + n) % 12 + 1:04}",
            "quantity": n,
            "price": round(9.9 * n, 2),
        }
        for n in range(1, at % 4 + 2)
    ]
    order: dict[str, Any] = {
        "order_number": 1000 + at,
        "customer_id": f"C{at % 5 + 1:05}",
        "ordered_on": f"2026-02-{at % 28 + 1:02}",
        "total": round(sum(line["price"] for line in lines), 2),
        "lines": lines,
    }
    if at % 3:
        order["discount"] = at if at % 2 else at / 4
    return order


def inventory(folder: Path) -> Path:
    """UUIDs and dates, mixed values, a join file with two keys, a file keyed by id, a bare map."""
    places = [_uuid(1, at) for at in range(3)]
    items = [_item(at, places) for at in range(20)]
    stock = [
        {"item": items[at % 20]["uuid"], "placeId": places[at % 3], "count": at, "class": "A"}
        for at in range(40)
    ]
    by_id = {places[at]: {"name": f"Place {at}", "floor": at} for at in range(3)}
    _write(folder / "places.json", [{"id": one, "name": "Hall", "date": None} for one in places])
    _write(folder / "items.json", {"data": items})
    _write(folder / "stock_levels.json", stock)
    _write(folder / "places_by_id.json", by_id)
    return folder


def _item(at: int, places: list[str]) -> dict[str, Any]:
    return {
        "uuid": _uuid(2, at),
        "home_place": places[at % 3],
        "bought": f"2025-{at % 12 + 1:02}-01",
        "checked": [f"2026-01-{n + 1:02}" for n in range(at % 3)],
        "value": at if at % 2 else f"about {at}",
        "weird": [None, 1, "x", {"deep": []}][at % 4],
        "notes": [{"text": "a"}, {"text": "a"}][: at % 3],
        "list": [],
    }


def _uuid(kind: int, at: int) -> str:
    return str(UUID(int=(kind << 96) + (4 << 76) + (10 << 60) + at))


def club(folder: Path) -> Path:
    """Records in objects under their keys: a whole file, in wrappers, the key inside or not."""
    members = {
        f"m{at}": {"name": f"Member {at}", "joinedOn": f"2025-0{at}-01", "homeGround": "g2"}
        for at in (3, 1, 2)
    }
    grounds = {
        f"g{at}": {"id": f"g{at}", "size": at, "games": [{"id": at * 10 + n} for n in range(at)]}
        for at in range(1, 4)
    }
    scores = {str(at): {"memberId": f"m{at % 3 + 1}", "points": at} for at in (12, 7, 100, 1)}
    scores["7"]["note"] = "undeclared elsewhere"
    _write(folder / "members.json", members)
    _write(folder / "club.json", {"version": 2, "grounds": grounds, "scores": scores, "x": {}})
    return folder


def league(folder: Path) -> Path:
    """Objects of records two wrappers deep, and inside of records of arrays and of objects."""
    teams = {f"t{at}": {"name": f"Team {at}", "players": _players(at)} for at in (2, 1, 3)}
    rounds = [
        {"no": at, "matches": {f"m{at}-{n}": _match(at, n) for n in range(at % 3)}}
        for at in range(1, 6)
    ]
    data = {"teams": teams, "venues": {"north": {"seats": 10}, "south": {"seats": 20}}}
    _write(folder / "export.json", {"version": 1, "data": data})
    _write(folder / "rounds.json", {"rounds": rounds})
    return folder


def _players(team: int) -> dict[str, Any]:
    """Return players under numbers that come again in each team; the first one has none."""
    return {
        str(at): {"name": f"Player {at}", "goals": at * team} for at in range(9, 11 * (team > 1))
    }


def _match(at: int, number: int) -> dict[str, Any]:
    scores = {f"t{team}": {"team": f"t{team}", "goals": team * at} for team in (number + 1, 3)}
    return {"id": f"m{at}-{number}", "venue": "north", "scores": scores}


def _write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", "utf-8")


FOLDERS = {"blog": blog, "shop": shop, "inventory": inventory, "club": club, "league": league}

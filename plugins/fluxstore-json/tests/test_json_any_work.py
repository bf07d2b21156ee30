"""Any work on nested records, checkpoints and reopenings between, answers as a dict would."""

from __future__ import annotations

import json
import os
import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from fluxstore.adapter import Use
from fluxstore.errors import ConstraintError
from fluxstore.query import Query
from fluxstore.records import Delete, Intent, Put
from fluxstore.testing import processes
from fluxstore.testing.backend import Backend
from fluxstore.testing.entities import Counter, entity_of
from fluxstore_json.adapter import JsonAdapter
from fluxstore_json.settings import Settings

NAMES = ("projects", "tasks", "notes")
PARENTS = {"tasks": ("project_id", "projects"), "notes": ("task_id", "tasks")}
TEXTS = {"projects": "name", "tasks": "title", "notes": "text"}
LAYOUTS = ({}, {"indent": 2}, {"indent": "\t"}, {"separators": (",", ":")})


class Work:
    """Changes made to a folder and to a model of it."""

    def __init__(self, data, seed):
        self.data, self.dice = data, random.Random(seed)
        self.kept = {"version": 1, "z": [{"a": None}]}
        document = {**self.kept, "projects": list(self.projects())}
        data.write("projects.json", document, **self.dice.choice(LAYOUTS))
        self.open()
        self.model = self.found()

    def projects(self):
        for number in range(self.dice.randrange(5)):
            project = {"id": f"p{number}", "name": "é" * number, "extra": 1.5}
            if self.dice.random() < 0.7:
                project["tasks"] = list(self.tasks(number))
            yield project

    def tasks(self, project):
        for number in range(self.dice.randrange(4)):
            task = {"id": f"t{project * 4 + number}", "z": {"k": []}}
            if self.dice.random() < 0.6:
                count = self.dice.randrange(3)
                task["notes"] = [{"id": f"n{task['id']}{one}"} for one in range(count)]
            yield task

    def open(self, use=Use.SERVE):
        self.adapter = self.data.open(use)
        self.collections = {
            name: self.adapter.collection(self.data.entities[name]) for name in NAMES
        }

    def found(self):
        everything = {}
        for name, collection in self.collections.items():
            records, cursor, more = {}, None, True
            while more:
                page = collection.scan(cursor, 3)
                assert not page.rejected
                assert records.keys().isdisjoint(record.key for record in page.records)
                records |= {record.key: dict(record.values) for record in page.records}
                cursor, more = page.cursor, page.cursor is not None
            everything[name] = records
        return everything

    def step(self, number):
        dice = self.dice.random()
        if dice < 0.55:
            self.put(self.dice.choice(NAMES), number)
        elif dice < 0.8:
            self.delete(self.dice.choice(NAMES))
        elif dice < 0.9:
            self.adapter._checkpointer.run()
        else:
            self.adapter.close()
            self.open()

    def put(self, name, number):
        key = f"{name[0]}{self.dice.randrange(14)}"
        values = {
            "id": key,
            {"projects": "name", "tasks": "title", "notes": "text"}[name]: f"{number}",
        }
        if name in PARENTS:
            field, parent = PARENTS[name]
            values[field] = f"{parent[0]}{self.dice.randrange(14)}"
        try:
            self.collections[name].commit([Put(key, values)])
        except ConstraintError:
            return
        self.model[name][key] = values

    def delete(self, name):
        if self.model[name]:
            key = self.dice.choice(sorted(self.model[name]))
            self.collections[name].commit([Delete(key)])
            self.forget(name, key)

    def forget(self, name, key):
        del self.model[name][key]
        for inner, (field, parent) in PARENTS.items():
            for each in [k for k, v in self.model[inner].items() if v[field] == key]:
                if parent == name:
                    self.forget(inner, each)

    def check(self):
        assert self.model == self.found()
        for name, collection in self.collections.items():
            assert len(self.model[name]) == collection.count(Query())
            read = collection.read([*self.model[name], "none"])
            assert self.model[name] == {key: dict(one.values) for key, one in read.items()}


@pytest.mark.parametrize("seed", range(24))
@pytest.mark.parametrize("data", ["arrays", "objects"], indirect=True)
def test_any_work_answers_as_a_dict_would(data, seed):
    work = Work(data, seed)
    for number in range(30):
        work.step(number)
        work.check()
    work.adapter.close()

    work.open(Use.SOURCE)
    work.check()
    document = data.read("projects.json")
    assert work.kept == {name: document[name] for name in work.kept}
    assert ["projects.json"] == data.left()


def test_a_scan_goes_on_while_checkpoints_rewrite_the_file(data):
    data.write("users.json", {"users": [{"id": f"u{number:03}"} for number in range(100)]})
    _, users = data.serving("users", checkpoint="every write")
    seen, cursor, number = [], None, 0
    while True:
        page = users.scan(cursor, 7)
        seen += [record.key for record in page.records]
        if (cursor := page.cursor) is None:
            break
        number += 1
        longer = {"name": "longer" * number}
        users.commit([Put("u000", longer, Intent.CHANGE), Put("u099", longer, Intent.CHANGE)])
        users.commit([Put(f"v{number}", {"id": f"v{number}"}), Delete(f"u{number + 40:03}")])

    assert len(seen) == len(set(seen))
    there = {record.key for record in users.find(Query()).records}
    assert {f"u{number:03}" for number in range(100)} & there <= set(seen)


def test_four_processes_and_every_write_in_the_file(tmp_path):
    settings = Settings(path="data", checkpoint="every write")
    backend = Backend(JsonAdapter, settings, tmp_path)
    keys = tuple("abcde")
    with backend.opened() as adapter:
        counters = adapter.collection(entity_of(Counter))
        counters.commit([Put(key, {"id": key, "count": 0, "log": []}) for key in keys])
    work = [(backend, f"p{number}", keys, 40) for number in range(4)]

    told = processes.run(processes.append, work, timeout_seconds=150)

    found = json.loads((tmp_path / "data" / "counters.json").read_text())
    assert [40] * 4 == [len(one.acknowledged) for one in told]
    assert 160 == sum(record["count"] for record in found)
    for one in told:
        for key, entry in one.acknowledged:
            (record,) = [record for record in found if record["id"] == key]
            assert 1 == record["log"].count(entry)
    assert ["counters.json"] == [
        path.name for path in (tmp_path / "data").iterdir() if path.name != ".fluxstore"
    ]


def test_threads_see_their_own_commits_at_once_while_files_are_written(data):
    adapter, users = data.serving("users", checkpoint="1ms")

    def work(number):
        for turn in range(15):
            key = f"u{number}"
            users.commit([Put(key, {"id": key, "name": f"{turn}"})])
            assert f"{turn}" == users.read([key])[key].values["name"]

    with ThreadPoolExecutor(8) as pool:
        for job in [pool.submit(work, number) for number in range(8)]:
            job.result(100)
    adapter.close()

    assert [("14",)] * 8 == [(user["name"],) for user in data.read("users.json")["users"]]


def test_a_forked_child_reads_and_writes_on_its_own(data):
    data.write("users.json", {"users": [{"id": "a", "name": "old"}]})
    adapter, users = data.serving("users", checkpoint="1ms")
    users.commit([Put("b", {"id": "b"})])
    child = os.fork()
    if child == 0:
        code = 1
        try:
            assert "old" == users.read(["a"])["a"].values["name"]
            users.commit([Put("c", {"id": "c"}), Put("a", {"name": "new"}, Intent.CHANGE)])
            adapter.close()
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)

    assert 0 == os.waitstatus_to_exitcode(status)
    assert "new" == users.read(["a"])["a"].values["name"]
    users.commit([Put("d", {"id": "d"})])
    adapter.close()
    assert list("abcd") == [user["id"] for user in data.read("users.json")["users"]]

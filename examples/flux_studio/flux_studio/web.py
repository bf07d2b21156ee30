"""Flux Studio over HTTP, a small FastAPI application: ``python -m flux_studio.web --port 8000``.

Not a line of it knows where records live, or that they are being moved while it serves. It needs
``fluxstore-core[demo]``: FastAPI and uvicorn.
"""

import argparse
import logging
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

import uvicorn
from entities import Project, Task
from fastapi import Body, FastAPI, Request, Response
from fastapi.responses import JSONResponse

import fluxstore
from flux_studio.app import CONFIGURATION, FluxStudio
from fluxstore import errors
from fluxstore.codec import Codec, Refusal

Fields = Annotated[dict[str, Any], Body()]
STATUS: tuple[tuple[type[errors.FluxstoreError], HTTPStatus], ...] = (
    (errors.RecordNotFoundError, HTTPStatus.NOT_FOUND),
    (errors.RecordExistsError, HTTPStatus.CONFLICT),
    (errors.ConflictError, HTTPStatus.CONFLICT),
    (errors.EntityError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (errors.ConstraintError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (errors.UsageError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (errors.FluxstoreError, HTTPStatus.SERVICE_UNAVAILABLE),
)
"""What a caller is told of each kind of error; the first that fits."""


def make_app(open_studio: Callable[[], FluxStudio] = FluxStudio.open) -> FastAPI:
    """Return the application; *open_studio* opens the store when it starts."""

    @asynccontextmanager
    async def serving(app: FastAPI) -> AsyncIterator[None]:
        with open_studio() as studio:
            app.state.studio = studio
            yield

    app = FastAPI(title="Flux Studio", lifespan=serving)
    app.add_exception_handler(errors.FluxstoreError, told)
    _add_projects(app)
    _add_tasks(app)
    return app


def told(_: Request, error: Exception) -> Response:
    """Return what a caller is told of an error: one line, and a status that means something."""
    status = next(status for kind, status in STATUS if isinstance(error, kind))
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        logging.getLogger("flux_studio").error("%s", error)
    return JSONResponse({"error": str(error)}, status)


def shown(record: Any) -> dict[str, Any]:
    """Return a record as JSON."""
    codec = Codec.of(fluxstore.entity_of(type(record)))
    return codec.encode(codec.row(record))


def made(cls: type[Any], fields: dict[str, Any]) -> Any:
    """Return the object that JSON *fields* describe; ``CheckError`` names all that does not fit."""
    codec = Codec.of(fluxstore.entity_of(cls))
    decoded = codec.decode(fields)
    _refuse(cls, decoded.refusals)
    return codec.instance(decoded.values)


def changes(cls: type[Any], fields: dict[str, Any]) -> dict[str, Any]:
    """Return the values of some fields given as JSON; ``CheckError`` names all that do not fit."""
    decoded = Codec.of(fluxstore.entity_of(cls)).decode(fields)
    _refuse(cls, [(name, why) for name, why in decoded.refusals if name in fields])
    return {name: decoded.values.get(name, value) for name, value in fields.items()}


def _refuse(cls: type[Any], refusals: Iterable[tuple[str, Refusal]]) -> None:
    codec = Codec.of(fluxstore.entity_of(cls))
    problems = tuple(codec.problem(name, why) for name, why in refusals)
    if problems:
        raise errors.CheckError("; ".join(str(one) for one in problems), problems=problems)


def _add_projects(app: FastAPI) -> None:
    @app.get("/projects")
    def projects(request: Request, limit: int = 20) -> list[dict[str, Any]]:
        return [shown(one) for one in _studio(request).projects.all(limit=limit)]

    @app.post("/projects", status_code=HTTPStatus.CREATED)
    def create(request: Request, fields: Fields) -> dict[str, Any]:
        return shown(_studio(request).projects.create(made(Project, fields)))

    @app.get("/projects/{project_id}")
    def project(request: Request, project_id: str) -> Any:
        found = _studio(request).projects.by_id(project_id)
        return _missing("project", project_id) if found is None else shown(found)

    @app.patch("/projects/{project_id}")
    def update(request: Request, project_id: str, fields: Fields) -> dict[str, Any]:
        return shown(_studio(request).projects.update(project_id, **changes(Project, fields)))

    @app.delete("/projects/{project_id}", status_code=HTTPStatus.NO_CONTENT)
    def delete(request: Request, project_id: str) -> None:
        _studio(request).projects.delete(project_id)

    @app.get("/projects/{project_id}/activities")
    def activities(request: Request, project_id: str, limit: int = 20) -> list[dict[str, Any]]:
        return [shown(one) for one in _studio(request).activities.of(project_id, limit=limit)]


def _add_tasks(app: FastAPI) -> None:
    @app.get("/projects/{project_id}/tasks")
    def tasks(request: Request, project_id: str) -> list[dict[str, Any]]:
        return [shown(one) for one in _studio(request).tasks.of(project_id)]

    @app.post("/projects/{project_id}/tasks", status_code=HTTPStatus.CREATED)
    def create(request: Request, project_id: str, fields: Fields) -> dict[str, Any]:
        task = made(Task, {**fields, "project_id": project_id})
        return shown(_studio(request).tasks.create(task))

    @app.get("/tasks/{task_id}")
    def task(request: Request, task_id: str) -> Any:
        found = _studio(request).tasks.by_id(task_id)
        return _missing("task", task_id) if found is None else shown(found)

    @app.patch("/tasks/{task_id}")
    def update(request: Request, task_id: str, fields: Fields) -> dict[str, Any]:
        return shown(_studio(request).tasks.update(task_id, **changes(Task, fields)))

    @app.delete("/tasks/{task_id}", status_code=HTTPStatus.NO_CONTENT)
    def delete(request: Request, task_id: str) -> None:
        _studio(request).tasks.delete(task_id)


def _studio(request: Request) -> FluxStudio:
    studio: FluxStudio = request.app.state.studio
    return studio


def _missing(kind: str, key: str) -> JSONResponse:
    return JSONResponse({"error": f"no {kind} {key}"}, HTTPStatus.NOT_FOUND)


def main() -> None:
    """Serve until stopped; the address is printed once connections are taken."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--config", type=Path, default=CONFIGURATION)
    parser.add_argument("--port", type=int, default=8000, help="0: any that is free")
    given = parser.parse_args()
    listening = socket.create_server(("127.0.0.1", given.port))
    app = make_app(lambda: FluxStudio.open(given.config))
    quiet = uvicorn.Config(app, log_level="warning", access_log=False, timeout_keep_alive=75)
    server = uvicorn.Server(quiet)
    print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
    server.run(sockets=[listening])


if __name__ == "__main__":
    main()

"""A command's backends are closed; what went wrong first is what is told."""

from __future__ import annotations

import pytest

from fluxstore import Plugins, hookimpl
from fluxstore.adapter import Use
from fluxstore.cli.session import Session
from fluxstore.cli.signals import Signals
from fluxstore.errors import BackendUnavailableError, GateError
from fluxstore.testing.reference import ReferenceAdapter


class Stuck(ReferenceAdapter):
    def close(self):
        super().close()
        raise BackendUnavailableError("does not close")


class Offers:
    @hookimpl
    def fluxstore_register_adapters(self, register):
        register("stuck", Stuck)


@pytest.fixture
def session(tmp_path):
    file = tmp_path / "fluxstore.toml"
    file.write_text('[backends.here]\nadapter = "stuck"\n', "utf-8")
    made = Session(Signals(), config_file=str(file))
    made.__dict__["plugins"] = Plugins()
    made.plugins.add(Offers(), name="stuck")
    return made


def test_a_backend_that_does_not_close_is_told(session):
    with pytest.raises(BackendUnavailableError), session.backend("here", Use.SERVE):
        pass


def test_it_is_a_warning_where_something_went_wrong_before(session, capsys):
    with pytest.raises(GateError), session.backend("here", Use.SERVE):
        raise GateError("shut")

    assert "warning: does not close" in capsys.readouterr().err

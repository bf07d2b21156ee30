"""The whole story on a small folder; ``tests/support/story.py`` tells it at full size."""

from __future__ import annotations

import pytest
from measured import bare_import_mib
from story import Story

pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(600)]
RECORDS = 3000
MIB_ABOVE_BARE_IMPORT = 64


def test_a_folder_goes_to_postgresql_and_back(tmp_path, flux_studio_dsn):
    story = Story(tmp_path / "studio", flux_studio_dsn, records=RECORDS)
    bare = bare_import_mib(tmp_path)
    told = {}
    for step, ran in story.tell():
        assert (step.name, step.code) == (step.name, ran.code), f"{ran.stdout}\n{ran.stderr}"
        assert MIB_ABOVE_BARE_IMPORT >= ran.peak_mib - bare, step.name
        told[step.name] = ran
    found = told["validate a change"].stdout
    assert story.changed_key in found
    assert "title" in found
    assert [] == story.differences_from_the_originals()

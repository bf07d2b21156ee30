"""The conformance kit: one suite of tests that every adapter passes, with no branch for any.

A plugin's whole test file::

    import pytest
    from fluxstore.testing.conformance import *

    @pytest.fixture
    def backend(tmp_path):
        return Backend(MyAdapter, MySettings(path="store"), tmp_path)

What adapters may lack is a ``Capability``; a test that needs one is skipped where it is not
declared, and another then checks that asking for it is refused. ``FENCING`` asks for everything
that a live migration stands on, races included; ``CAPTURE`` for ``Backend(foreign=...)``, which
says how a client that knows nothing of fluxstore runs a statement. ``assert_pair`` and
``assert_any_record_crosses`` compare two backends with each other. Needs the extra
``fluxstore-core[testing]``.
"""

from fluxstore.testing.backend import Backend
from fluxstore.testing.conformance.abilities import (
    TestBackup,
    TestDeclarations,
    TestPlaces,
    TestSchema,
    TestSnapshot,
)
from fluxstore.testing.conformance.capture import TestCapture
from fluxstore.testing.conformance.concurrency import (
    TestProcesses,
    TestReopening,
    TestThreads,
)
from fluxstore.testing.conformance.control import (
    TestControl,
    TestControlRaces,
    TestPurge,
    TestSealing,
)
from fluxstore.testing.conformance.crossing import TestOperationsTravel
from fluxstore.testing.conformance.fidelity import TestFidelity
from fluxstore.testing.conformance.governing import (
    TestGovernedReads,
    TestGovernedTransactions,
    TestWithoutFencing,
)
from fluxstore.testing.conformance.inside import TestInside
from fluxstore.testing.conformance.ledger import (
    TestBooks,
    TestFencing,
    TestLease,
    TestLedgerLasts,
)
from fluxstore.testing.conformance.live import (
    TestFollowing,
    TestLiveBatches,
)
from fluxstore.testing.conformance.migrations import (
    TestForesee,
    TestMerge,
    TestPrepare,
    TestScan,
)
from fluxstore.testing.conformance.pairs import assert_any_record_crosses, assert_pair
from fluxstore.testing.conformance.queries import (
    TestOperators,
    TestOrder,
    TestPages,
    books,
)
from fluxstore.testing.conformance.refusals import (
    TestChecks,
    TestDeletes,
    TestOnlyOurErrors,
    TestReferences,
    TestUnique,
)
from fluxstore.testing.conformance.residue import TestResidue
from fluxstore.testing.conformance.support import adapter
from fluxstore.testing.conformance.transactions import (
    TestTransactions,
    TestWithoutTransactions,
)
from fluxstore.testing.conformance.verbs import (
    TestExpect,
    TestKeys,
    TestOperations,
    TestVerbs,
)
from fluxstore.testing.conformance.versions import TestApplyIfNewer

__all__ = [
    "Backend",
    "TestApplyIfNewer",
    "TestBackup",
    "TestBooks",
    "TestCapture",
    "TestChecks",
    "TestControl",
    "TestControlRaces",
    "TestDeclarations",
    "TestDeletes",
    "TestExpect",
    "TestFencing",
    "TestFidelity",
    "TestFollowing",
    "TestForesee",
    "TestGovernedReads",
    "TestGovernedTransactions",
    "TestInside",
    "TestKeys",
    "TestLease",
    "TestLedgerLasts",
    "TestLiveBatches",
    "TestMerge",
    "TestOnlyOurErrors",
    "TestOperations",
    "TestOperationsTravel",
    "TestOperators",
    "TestOrder",
    "TestPages",
    "TestPlaces",
    "TestPrepare",
    "TestProcesses",
    "TestPurge",
    "TestReferences",
    "TestReopening",
    "TestResidue",
    "TestScan",
    "TestSchema",
    "TestSealing",
    "TestSnapshot",
    "TestThreads",
    "TestTransactions",
    "TestUnique",
    "TestVerbs",
    "TestWithoutFencing",
    "TestWithoutTransactions",
    "adapter",
    "assert_any_record_crosses",
    "assert_pair",
    "books",
]

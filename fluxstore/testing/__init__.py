"""What adapter authors test with: conformance kit, reference adapter, databases, faults."""

import sys

if "pytest" in sys.modules:  # where it runs, failed asserts of the kit say what was compared
    sys.modules["pytest"].register_assert_rewrite(
        "fluxstore.testing.conformance", "fluxstore.testing.processes"
    )

"""What adapter authors test with: conformance kit, reference adapter, databases, faults."""

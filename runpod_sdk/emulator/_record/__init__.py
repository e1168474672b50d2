"""Injected faults, the ledger of events, and its verdict."""

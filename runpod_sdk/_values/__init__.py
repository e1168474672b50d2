"""Frozen data, tables and arithmetic shared by flows, connections and clients. No I/O."""

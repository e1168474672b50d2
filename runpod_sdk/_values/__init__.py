"""What flows, connections and clients speak of: frozen data, tables and arithmetic, without I/O."""

"""The HTTP interface as a table: one row per route, from path to request and back. Pure."""

"""Decides what to send, wait for or give up, in generators without I/O; see ARCHITECTURE.md."""

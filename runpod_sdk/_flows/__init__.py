"""What is sent next, waited for or given up, decided in generators without I/O; see ARCHITECTURE.md."""

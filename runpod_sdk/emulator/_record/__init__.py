"""What is to go wrong, and what has happened: faults, the ledger and its verdict."""

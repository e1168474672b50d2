"""The planner: simulates a bulk run on the emulator's queue and fleet in virtual time."""

"""What a bulk run will take: the emulator's queue and fleet, run to the end in virtual time, and what comes of it."""

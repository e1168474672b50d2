"""The journal of a bulk run: what became of each input, on disk, so that it survives the end of the process."""

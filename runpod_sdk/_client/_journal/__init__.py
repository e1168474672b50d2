"""The journal of a bulk run: what happened to each input, on disk, so that it survives the end of the process."""

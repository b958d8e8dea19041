"""The same training gives the same bits in every process with as many threads, stopped on the way or not."""

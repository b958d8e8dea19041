"""Files, and frames from Python -> chunks of rows, and the values of their cells."""

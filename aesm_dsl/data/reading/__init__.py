"""Files, and frames given from Python -> chunks of rows, and the values of their cells."""

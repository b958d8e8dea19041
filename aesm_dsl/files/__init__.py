"""Files and folders that appear whole or not at all, and are opened only as they were written."""

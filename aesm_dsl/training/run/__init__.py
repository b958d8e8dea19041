"""The folder of a run: written, read, validated, resumed, and started from."""

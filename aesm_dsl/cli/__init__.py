"""The command `aesm`: parse arguments, call pipeline, print. One module per family of commands."""

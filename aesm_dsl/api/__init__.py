"""The verbs of aesm, one module each. The command line and Python both call them."""

"""`python -m aesm_dsl` is `aesm`."""

from aesm_dsl.cli.main import main

if __name__ == "__main__":
    main()

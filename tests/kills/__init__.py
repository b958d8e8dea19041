"""Commands that are killed, or find the disk full, at each of their file operations: `make kills`.

`python -m tests.kills` runs every command of `commands.py` undisturbed, with strace noting its file operations. Then it
runs it again for each of them, killed right before it, and looks at what is left (`state.py`); then the command is
given once more, and must come to the end that it came to undisturbed. `server.py` forks the processes, so that the
libraries are loaded once.
"""

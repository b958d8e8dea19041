"""Damages every spec and every known mistake by seed, and looks at what aesm says of it.

    python -m tests.fuzz --mutants 200000 --jobs 2

mutate.py makes a mutant of a seed, judge.py says what is wrong with aesm, never with the mutant; test_fuzz.py runs the
first seeds in the suite. A seed always gives the same mutant of the same corpus.
"""

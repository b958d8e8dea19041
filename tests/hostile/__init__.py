"""A server among clients that mean it harm: `make hostile`. Its short form is tests/serving/test_hostile.py."""

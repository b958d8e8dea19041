"""A plan becomes a network: feature vectors, AES layers, towers and the funnel (AESM², SIGIR 2022).

In:  a `Plan` (plain numbers), and a `Batch` of ids and node indices at each step.
Out: a `Prediction` for each batch: log probabilities, what every row selected, and the auxiliary losses.

Only `network` unpacks a whole plan; every other module takes the numbers that it needs. May import torch,
`aesm_dsl.plan` and `aesm_dsl.data.batch`; knows neither the language nor training.
"""

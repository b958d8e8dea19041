"""Words of other tools, and the words of the language that mean the same."""

from __future__ import annotations

from collections.abc import Collection

from aesm_dsl.spec.where_words_live import location_help

_SYNONYMS = {
    "edition": ("version", "language", "aesm_version"),
    "batch": ("batch_size", "batchsize"),
    "length": ("epochs", "epoch", "num_epochs", "max_epochs", "steps", "num_steps", "max_steps", "iterations"),
    "rate": ("lr", "learning_rate", "learn_rate"),
    "seed": ("random_seed", "random_state"),
    "stop": ("early_stop", "early_stopping", "patience"),
    "schedule": ("scheduler", "lr_schedule"),
    "count": ("num_experts", "n_experts", "expert_count", "num"),
    "specific": ("k_sp", "K_sp", "ksp", "top_k", "topk"),
    "shared": ("k_sh", "K_sh", "ksh"),
    "hidden": ("hidden_units", "hidden_dims", "hidden_size", "units", "mlp", "layers"),
    "repeat": ("num_layers", "depth", "n_layers"),
    "activation": ("act", "activation_fn"),
    "embed": ("dim", "dims", "emb_dim", "embed_dim", "embedding", "embedding_dim", "embedding_size"),
    "quantiles": ("bins", "num_bins", "n_bins"),
    "buckets": ("hash_size", "num_buckets", "hash_bucket_size"),
    "limit": ("vocab_size", "max_size"),
    "column": ("col", "field", "source"),
    "label": ("target", "y"),
    "after": ("depends_on", "follows"),
    "under": ("parent", "parents"),
    "value": ("values", "val"),
    "tower": ("towers", "tower_units"),
    "architecture": ("arch",),
    "valid": ("validation", "val_data", "eval"),
    "number": ("float", "numeric", "double", "int", "integer", "continuous", "dense"),
    "category": ("string", "str", "categorical", "enum", "vocab", "sparse"),
    "id": ("hash", "hashed"),
    "cross": ("crossed", "interaction", "combine"),
    "same": ("share", "shared", "shared_embedding"),
    "level": ("scenario", "hierarchy", "layer"),
    "features": ("feature", "inputs", "columns"),
    "train": ("training", "trainer"),
    "data": ("dataset", "datasets"),
    "user": ("user_id", "uid"),
    "query": ("session", "request", "group", "query_id", "request_id", "session_id", "qid"),
    "task": ("objective", "head"),
    "node": ("scene", "domain", "entry"),
}
"""Maps words of the language to words of other tools."""

_MEANING = {synonym: word for word, synonyms in _SYNONYMS.items() for synonym in synonyms}


def synonym_help(word: str, known: Collection[str], *, call: bool = False) -> str:
    """Returns a line of help for a word that the language has under another name; empty if it has none.

    Args:
        word: the word.
        known: the words that may stand in its place.
        call: whether it was written as an argument.
    """
    meaning = _MEANING.get(word) or _MEANING.get(word.casefold())
    if meaning is None:
        return ""
    if meaning in known:
        return f"write `{meaning}`: that is what `{word}` is called here"
    location = location_help(meaning, call=call)
    return f"`{word}` is called `{meaning}`; {location}" if location else ""

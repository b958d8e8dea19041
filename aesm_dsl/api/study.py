"""The database of a search: the trials of `aesm tune`, stored one by one. It appears whole, and SQLite keeps it so."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from aesm_dsl.files.whole import write_bytes

DATABASE, NAME = "study.db", "aesm"
"""The file of a search, and the search's name in it."""


def open_study(folder: Path, searched: str, *, anew: bool) -> Any:
    """Returns the search in a folder, an Optuna study whose user attribute "spec" says what it searches.

    Args:
        folder: the folder of the search, made if needed.
        searched: what a new search searches.
        anew: begin anew if there is a search.

    Raises:
        OSError: a new search cannot be written.
    """
    import optuna

    database = folder / DATABASE
    if anew:
        database.unlink(missing_ok=True)
    if not database.exists():
        # What is left of a search that was removed: its journal would be applied to the new database.
        database.with_name(f"{DATABASE}-journal").unlink(missing_ok=True)
        shutil.rmtree(folder / "runs", ignore_errors=True)
        write_bytes(database, _new_database(searched))
    return optuna.load_study(storage=f"sqlite:///{database}", study_name=NAME)


def _new_database(searched: str) -> bytes:
    """The content of the database of a search without trials."""
    import optuna
    from sqlalchemy.pool import NullPool

    memory = "file:aesm?mode=memory&cache=shared"
    with closing(sqlite3.connect(memory, uri=True)) as database:
        engine = {"poolclass": NullPool}
        storage = optuna.storages.RDBStorage(f"sqlite:///{memory}&uri=true", engine_kwargs=engine)
        optuna.create_study(storage=storage, study_name=NAME, direction="maximize").set_user_attr("spec", searched)
        storage.engine.dispose()
        return database.serialize()


def ended_trials(study: Any) -> list[Any]:
    """Returns the trials that came to their end. Others were interrupted: they count for nothing."""
    return [trial for trial in study.trials if trial.state.is_finished()]


@contextmanager
def naming_database(folder: Path) -> Iterator[None]:
    """Turns what is raised in its `with` block when the database cannot be read or written into an OSError."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, StorageInternalError) as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        raise OSError(None, str(cause).splitlines()[0], str(folder / DATABASE)) from error

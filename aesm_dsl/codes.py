"""Every diagnostic code with its title. A finding's code must stand here; a test looks."""

from __future__ import annotations

CODES: dict[str, str] = {
    "E501": "data file not found",
    "E502": "data file cannot be read",
    "E503": "column missing from a table",
    "E504": "column of the wrong type",
    "E505": "no rows",
    "E506": "row of a node that the spec does not name",
    "E507": "row on a path that the hierarchy lacks",
    "E508": "label that is neither 0, 1 nor missing",
    "E509": "row weight that is negative, missing or not a number",
    "W501": "task without positive or negative training rows",
    "W502": "node without training rows",
    "W503": "training rows of nodes that the spec does not name",
}

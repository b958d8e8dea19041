"""Pictures: a hierarchy, or what a network learnt to share, as DOT, and DOT as a file.

The front door of structure.py, panels.py and draw.py.
"""

from aesm_dsl.report.draw import DrawingError, draw
from aesm_dsl.report.panels import sharing_graph
from aesm_dsl.report.structure import structure

__all__ = ["DrawingError", "draw", "sharing_graph", "structure"]

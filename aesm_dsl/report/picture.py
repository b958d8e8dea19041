"""Pictures: a hierarchy, or what a network learnt to share, as DOT, and DOT as a file.

The front door of structure.py, panels.py, heat.py, flow.py and draw.py.
"""

from aesm_dsl.report.draw import DrawingError, draw
from aesm_dsl.report.flow_graph import flow_graph
from aesm_dsl.report.heat_map import heat_map, training_map
from aesm_dsl.report.sharing_graph import sharing_graph
from aesm_dsl.report.structure_graph import structure

__all__ = ["DrawingError", "draw", "flow_graph", "heat_map", "sharing_graph", "structure", "training_map"]

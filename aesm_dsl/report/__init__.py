"""What was learnt, for people: usage and metrics go in; sharing, pictures, comparisons and pages come out.

May import training and all rooms to its left. Graphviz lives here and is loaded only when a picture is drawn.
"""

"""Tables, pictures and pages for people, made of plans, runs, usage and metrics.

May import training and all rooms above it. Graphviz is used only here, and is loaded only when a picture is drawn.
"""

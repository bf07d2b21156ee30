"""The protocol of live migrations as an executable model, explored exhaustively.

``explorer`` looks at every state; ``migration`` is the protocol between two stores; ``fence``,
``outcomes``, ``sidecar``, ``validation`` and ``constraints`` look inside what it takes for one
step; ``workloads`` and ``ablations`` are what is explored; ``traces`` tells whether a recorded run
is a path of a model.
"""

"""The cluster as a client sees it: nodes, connections, leaders, coordinators."""

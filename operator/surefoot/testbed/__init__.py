"""A real Kubernetes control plane and a real Prometheus on one machine, without containers.

``surefoot.testbed.bed`` is the way in from Python, ``surefoot testbed up`` from a shell. Needs
the extra ``testbed``; importing this package alone needs nothing.
"""

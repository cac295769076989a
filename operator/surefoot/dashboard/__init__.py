"""The local dashboard: a page on one's own machine, with one's own kubeconfig and rights."""

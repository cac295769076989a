"""The Kubernetes API: credentials, requests, the shape of objects, and the cluster port."""

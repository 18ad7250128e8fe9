"""The HTTP edge: the application, its routes, and the deployments that carry it."""

"""Ground floor: datasets, masks, backgrounds, compositing, video in and out, manifests.

Nothing here imports torch, and nothing here imports from the floors above.
"""

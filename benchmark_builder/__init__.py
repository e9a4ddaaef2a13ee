"""Ground floor: datasets, masks, backgrounds, compositing, video in and out, manifests.

Nothing here imports torch, and nothing here imports from the floors above.
"""

import os

# Read when OpenCV is loaded, so set here: a picture of more pixels (11,585 squared) is refused before memory is taken.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(2**27))

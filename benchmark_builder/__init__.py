"""Ground floor: datasets, masks, backgrounds, compositing, video in and out, manifests.

Nothing here imports torch, and nothing here imports from the floors above.
"""

import os

MOST_PIXELS = 2**27  # of a picture or a frame (11,585 squared); one of more is refused before memory is taken for it
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MOST_PIXELS))  # read when OpenCV is loaded, so set here

"""The formats in which features are stored: one class per format that others' code reads.

Axes: T windows, C crops, D units. All files are ``.npy`` of float32 below ``features/``.
"""

from collections.abc import Mapping, Sequence

import numpy as np

FOLDER = "features"


class FeatureFormat:
    """``npy``: a file per video, ``features/ID.npy``, (T, D), or (T, C, D) if there are several crops."""

    name = "npy"
    merges = False  # whether it stores the mean over the crops

    def files(self, video_id: str, crops: int) -> list[str]:
        """Relative names of the files of a video."""
        return [f"{FOLDER}/{video_id}.npy"]

    def files_of(self, first: str, crops: int) -> list[str]:
        """The names of :meth:`files`, of which the first is known."""
        return [first]

    def split(self, features: np.ndarray) -> list[np.ndarray]:
        """The arrays of :meth:`files` from features (T, C, D)."""
        return [features[:, 0] if features.shape[1] == 1 else features]

    def join(self, arrays: Sequence[np.ndarray]) -> np.ndarray:
        """Features (T, C, D) from the arrays of :meth:`files`; the inverse of :meth:`split`."""
        return arrays[0][:, None] if arrays[0].ndim == 2 else arrays[0]


class Rtfm(FeatureFormat):
    """``rtfm``: RTFM and MGFN read ``features/ID.npy`` of (T, C, D), also if there is one crop."""

    name = "rtfm"

    def split(self, features: np.ndarray) -> list[np.ndarray]:
        return [features]


class Urdmu(FeatureFormat):
    """``urdmu``: UR-DMU, VadCLIP and DeSC read a file per crop, ``features/ID__0.npy`` …, (T, D) each."""

    name = "urdmu"

    def files(self, video_id: str, crops: int) -> list[str]:
        return [f"{FOLDER}/{video_id}__{k}.npy" for k in range(crops)]

    def files_of(self, first: str, crops: int) -> list[str]:
        return [f"{first.removesuffix('__0.npy')}__{k}.npy" for k in range(crops)]

    def split(self, features: np.ndarray) -> list[np.ndarray]:
        return [features[:, k] for k in range(features.shape[1])]

    def join(self, arrays: Sequence[np.ndarray]) -> np.ndarray:
        return np.stack(arrays, axis=1)


class ActionFormer(FeatureFormat):
    """``actionformer``: ActionFormer and TriDet read ``features/ID.npy`` of (T, D); of several crops it is the mean."""

    name = "actionformer"
    merges = True

    def split(self, features: np.ndarray) -> list[np.ndarray]:
        return [features.mean(axis=1, dtype=np.float64).astype(np.float32)]


class OpenTad(ActionFormer):
    """``opentad``: OpenTAD reads the same arrays as ActionFormer, with annotations in a form of its own."""

    name = "opentad"


FORMATS: Mapping[str, FeatureFormat] = {
    one.name: one for one in (FeatureFormat(), Rtfm(), Urdmu(), ActionFormer(), OpenTad())
}

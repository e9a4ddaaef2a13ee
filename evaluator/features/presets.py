"""Named presets for published ways of extracting features, and the defaults without a preset."""

from typing import Any, Literal

Last = Literal["floor", "ceil"]
DEFAULTS: dict[str, Any] = {
    "window": 16, "stride": 16, "last": "ceil", "fps": None, "crops": 1, "crop": "model", "format": "npy",
}  # fmt: skip
# Published protocols: what each of them sets, unless the user gives it.
PRESETS: dict[str, dict[str, Any]] = {
    "rtfm": {"window": 16, "stride": 16, "last": "floor", "crops": 10, "crop": "model", "format": "rtfm"},
    "mgfn": {"window": 16, "stride": 16, "last": "floor", "crops": 10, "crop": "model", "format": "rtfm"},
    "urdmu": {"window": 16, "stride": 16, "last": "ceil", "crops": 10, "crop": "340x256", "format": "urdmu"},
    "i3d-thumos": {"window": 16, "stride": 4, "last": "floor", "fps": 30.0, "format": "actionformer"},
    "videomaev2": {"window": 16, "stride": 4, "last": "floor", "crop": "squash", "format": "actionformer"},
    "opentad": {"window": 16, "stride": 4, "last": "floor", "crop": "squash", "format": "opentad"},
}  # fmt: skip

"""The libraries that parts of this toolkit need, and the extra of the installation that has each.

`pip install albar-bench` installs the libraries without an extra, `pip install 'albar-bench[train]'` those of the extra
``train`` in addition.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from benchmark_builder.utils.errors import BenchError


@dataclass(frozen=True)
class Library:
    """One library.

    Attributes:
        module: the name by which it is imported.
        package: the name by which pip installs it.
        extra: the extra that has it; "" if it is always installed.
        use: what needs it.
    """

    module: str
    package: str
    extra: str = ""
    use: str = "every command"

    @property
    def install(self) -> str:
        """The command that installs it."""
        return f"pip install 'albar-bench[{self.extra}]'" if self.extra else f"pip install {self.package}"


_TRAIN = "bench train, eval, compare, predict, explain, features"
LIBRARIES = {
    library.module: library
    for library in (
        Library("numpy", "numpy"),
        Library("pandas", "pandas"),
        Library("scipy", "scipy"),
        Library("cv2", "opencv-python-headless"),
        Library("PIL", "pillow"),
        Library("av", "av"),
        Library("ffmpeg", "ffmpeg-python"),
        Library("imageio_ffmpeg", "imageio-ffmpeg"),
        Library("matplotlib", "matplotlib", use="charts"),
        Library("jinja2", "jinja2", use="bench report"),
        Library("pydantic", "pydantic"),
        Library("typer", "typer"),
        Library("rich", "rich"),
        Library("tqdm", "tqdm"),
        Library("yaml", "pyyaml", use="model cards of Hugging Face"),
        Library("xxhash", "xxhash"),
        Library("filelock", "filelock"),
        Library("openpyxl", "openpyxl", use="predictions in Excel files"),
        Library("pyarrow", "pyarrow", use="predictions as Parquet"),
        Library("pycocotools", "pycocotools", use="masks as run-length codes"),
        Library("torch", "torch", "train", f"{_TRAIN}; masks by networks"),
        Library("torchvision", "torchvision", "train", f"{_TRAIN}; masks by Mask R-CNN"),
        Library("accelerate", "accelerate", "train", "bench train"),
        Library("safetensors", "safetensors", use="weights in .safetensors files"),
        Library("transformers", "transformers", "train", "models of Hugging Face, --masks sam2"),
        Library("huggingface_hub", "huggingface-hub", "train", "models of Hugging Face, --masks sam2"),
        Library("captum", "captum", "train", "bench explain"),
        Library("tensorboard", "tensorboard", "train", "logs of bench train"),
        Library("segment_anything", "segment-anything", "sam", "--masks sam"),
        Library("ray", "ray", "ray", "--engine ray"),
        Library("sklearn", "scikit-learn", "downstream", "bench downstream anomaly"),
        Library("h5py", "h5py", "downstream", "bench downstream localize"),
        Library("actionformer", "actionformer", "downstream", "bench downstream localize"),
        Library("torchcodec", "torchcodec", "torchcodec", "bench train --decode torchcodec"),
        Library("diffusers", "diffusers", "generate", "bench data backgrounds"),
    )
}


@contextmanager
def named_extras() -> Iterator[None]:
    """Inside, a library that is not installed raises BenchError with the command that installs it."""
    try:
        yield
    except ModuleNotFoundError as error:
        library = LIBRARIES.get(error.name or "")
        if library is None:
            raise
        raise BenchError(f"{library.package} is not installed, which this needs; run: {library.install}") from error

"""Training clips by torchcodec: the same clips but for rounding, its errors in one line. Without it: what is said."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import av
import numpy as np
import pytest
import torch

from albar.clips.clips import Cut, ShortVideo, assemble, sampling
from albar.data import torchcodec_clips as torchcodec
from albar.data.dataset import ClipDataset, Sample
from albar.training.settings import TrainSettings
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.rng import generator
from benchmark_builder.video.decode import read_frames
from benchmark_builder.video.record import Video

CPU = torch.device("cpu")


class Decoder:
    """What this toolkit uses of torchcodec's VideoDecoder, with this toolkit's frames."""

    def __init__(self, path: str, dimension_order: str, num_ffmpeg_threads: int, seek_mode: str, device: str) -> None:
        assert (dimension_order, num_ffmpeg_threads, seek_mode, device) == ("NHWC", 1, "exact", "cpu")
        if Path(path).read_bytes() == b"no video":
            raise RuntimeError("\nInvalid data\nmore lines")
        self.frames = torch.from_numpy(np.stack(list(read_frames(Path(path)))))

    def __len__(self) -> int:
        return len(self.frames)

    def get_frames_at(self, indices: list[int]) -> SimpleNamespace:
        return SimpleNamespace(data=self.frames[indices])


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> None:
    """torchcodec, if it is installed; otherwise a stand-in."""
    if torchcodec.problem() is None:
        return
    module = ModuleType("torchcodec.decoders")
    module.VideoDecoder = Decoder  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torchcodec", ModuleType("torchcodec"))
    monkeypatch.setitem(sys.modules, "torchcodec.decoders", module)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Video:
    path = tmp_path_factory.mktemp("video") / "v.mp4"
    smooth = np.linspace(0, 200, 64 * 40).reshape(40, 64, 1) * np.ones(3)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "5"})
        stream.height, stream.width, stream.pix_fmt = 40, 64, "yuv420p"
        for k in range(20):
            container.mux(stream.encode(av.VideoFrame.from_ndarray((smooth + 2 * k).astype(np.uint8), "rgb24")))
        container.mux(stream.encode(None))
    return Video(id="v", path=path, label=1, class_name="a", split="train", dataset="d")


@pytest.mark.usefixtures("library")
def test_its_clips_are_ours_but_for_rounding(video: Video) -> None:
    clips = sampling("8x2-48").replaced({"crop": "random_resized", "flip": 0.5})
    ours, its = (ClipDataset([video], clips, 0, train=True, torchcodec_on=on) for on in (None, CPU))
    for epoch in range(3):
        a, b = ours[epoch, 0], its[epoch, 0]
        assert isinstance(a, Sample) and isinstance(b, Sample)
        assert (a.clip.int() - b.clip.int()).abs().float().mean() < 2
        batch = its.__getitems__([(epoch, 0)])
        assert isinstance(batch, Sample) and torch.equal(batch.clip[0], b.clip)


@pytest.mark.usefixtures("library")
def test_what_it_cannot_decode_is_said_in_one_line(video: Video, tmp_path: Path) -> None:
    broken = tmp_path / "v.mp4"
    broken.write_bytes(b"no video")
    cut = Cut(np.arange(4), (0, 0, 8, 8), False)
    with pytest.raises(BenchError, match=r"v\.mp4: torchcodec cannot decode it \([^\n]*\); replace the file"):
        torchcodec.decoded(broken, cut, 40, 64, CPU)
    with pytest.raises(BenchError, match="shows 64x40 pixels instead of 40x64"):
        torchcodec.decoded(video.path, cut, 64, 40, CPU)
    with pytest.raises(ShortVideo):
        torchcodec.decoded(video.path, Cut(np.arange(15, 25), (0, 0, 8, 8), False), 40, 64, CPU)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("box", [(3, 5, 20, 26), (0, 0, 16, 16), (0, 0, 8, 9)])
def test_cut_on_the_gpu_is_cut_here_within_a_grey_level(box: tuple[int, int, int, int], flip: bool) -> None:
    frames = torch.from_numpy(generator(0, "v", "pixels").integers(0, 256, (5, 30, 40, 3), dtype=np.uint8))
    cut = Cut(np.arange(5), box, flip)
    ours = assemble(dict(enumerate(frames.numpy())), cut, 16)
    made = torchcodec.cut_there(frames, cut, 16)
    assert made.shape == ours.shape and made.dtype == torch.uint8
    assert (made.int() - ours.int()).abs().max() <= 1  # uint8 is rounded after each direction, float32 once


def test_without_it_the_setting_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchcodec", None)
    with pytest.raises(BenchError, match=r"decode.*not installed; pip install 'albar-bench\[torchcodec\]'"):
        TrainSettings(decode="torchcodec")
    with pytest.raises(BenchError, match="decode"):
        TrainSettings(decode="gpu")


@pytest.mark.usefixtures("library")
def test_not_for_probes_and_in_the_record_only_where_used() -> None:
    with pytest.raises(BenchError, match=r"decode.*not for probe"):
        TrainSettings(method="probe", decode="torchcodec")
    assert TrainSettings(decode="torchcodec").decode == "torchcodec"

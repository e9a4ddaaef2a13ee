"""What the input side of evaluation decodes: one frame of a still, nothing after the last frame wanted."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from small_world import SAMPLING, World, world  # noqa: F401
from tiny_videos import moving_square, write_video

from albar.clips.clips import ShortVideo, pick
from benchmark_builder.layouts.zipped import Zipped
from benchmark_builder.video import decode as decoder
from benchmark_builder.video import pictures
from benchmark_builder.video.decode import read_frames
from benchmark_builder.video.encode import H264, open_video
from evaluator.inference.clips import batches, order
from evaluator.testsets import benchmark_set


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows by a file's name with each frame that is decoded of it."""
    seen: list[str] = []
    plain = decoder._decoded

    def counting(path: Path, *rest: Any) -> Iterator[Any]:
        for frame in plain(path, *rest):
            seen.append(path.name)
            yield frame

    monkeypatch.setattr(decoder, "_decoded", counting)
    return seen


def test_one_frame_of_a_still_is_decoded_and_expanded_not_copied(world: World, decoded: list[str]) -> None:
    stills = benchmark_set(world.scufo)
    (batch,) = batches(order([stills]), SAMPLING, batch=8)
    assert batch.clips is not None and batch.clips.shape[2] == 1
    assert sorted(decoded) == sorted(item.path.name for item in stills.items)  # one frame each, of eight

    # What the network is given: every frame of the clip at the same address.
    given: list[torch.Tensor] = []
    real = torch.nn.Module.__call__

    def listening(module: torch.nn.Module, *args: Any, **named: Any) -> Any:
        if args and isinstance(args[0], torch.Tensor) and args[0].dim() == 5 and not given:
            given.append(args[0])
        return real(module, *args, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.nn.Module, "__call__", listening)
        world.run(folders=[world.scufo], iid=False)
    (clips,) = given
    assert clips.shape[2] == SAMPLING.frames > 1 and clips.stride()[2] == 0


def test_a_clip_is_decoded_no_further_than_its_last_frame(tmp_path: Path, decoded: list[str]) -> None:
    path = tmp_path / "v.mp4"
    with open_video(path, 48, 32, 10.0, H264) as encoder:
        for frame in moving_square(frames=12)[0]:
            encoder.write(frame)
    video = list(read_frames(path))
    decoded.clear()
    found = pick(read_frames(path), np.array([3, 7, 5]))
    assert sorted(found) == [3, 5, 7] and len(decoded) == 8
    assert all((found[k] == video[k]).all() for k in found)


@pytest.mark.parametrize("zipped", [False, True])
def test_pictures_that_are_passed_over_are_not_read(
    zipped: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video, _ = moving_square(frames=6)
    with zipfile.ZipFile(tmp_path / "v.zip", "w") as archive:
        for k, frame in enumerate(video):
            archive.writestr(f"img_{k:05d}.png", cv2.imencode(".png", frame[..., ::-1])[1].tobytes())
        if not zipped:
            archive.extractall(tmp_path / "v")
    seen = []
    plain = pictures.picture
    monkeypatch.setattr(pictures, "picture", lambda data, name: seen.append(name[-9:]) or plain(data, name))

    def frames() -> Any:
        return Zipped.read(tmp_path / "v.zip") if zipped else read_frames(tmp_path / "v")

    found = pick(frames(), np.array([1, 4]))
    assert sorted(found) == [1, 4] and all((found[k] == video[k]).all() for k in found)
    assert seen == ["00001.png", "00004.png"]
    with pytest.raises(ShortVideo) as caught:
        pick(frames(), np.array([1, 9]))
    assert caught.value.count == 6


def test_passed_over_frames_count_and_are_not_made_into_rgb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video, _ = moving_square(frames=6)
    path = tmp_path / "v.mkv"
    write_video(path, video)
    frames = read_frames(path)
    assert isinstance(frames, decoder.Frames)
    turned = []
    plain = decoder.Converter.rgb
    monkeypatch.setattr(decoder.Converter, "rgb", lambda self, frame: turned.append(1) or plain(self, frame))
    assert frames.skip() and frames.skip() and (next(frames) == video[2]).all() and frames.skip()
    assert (next(frames) == video[4]).all() and len(turned) == 2
    assert frames.skip() and not frames.skip() and next(frames, None) is None
    for source in (read_frames(path), iter(video)):
        with pytest.raises(ShortVideo) as caught:
            pick(source, np.array([1, 9]))
        assert caught.value.count == 6

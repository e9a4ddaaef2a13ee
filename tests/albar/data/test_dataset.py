"""Batches of training clips: the same from any number of processes, also where these use their memory again."""

from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from albar.clips.clips import sampling
from albar.data import dataset as data
from albar.data.dataset import ClipDataset, Order, Sample
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.rng import generator
from benchmark_builder.video.record import Video

CLIPS = sampling("8x2-48").replaced({"crop": "random_resized", "flip": 0.5})


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[Video]:
    folder, listed = tmp_path_factory.mktemp("videos"), []
    for k in range(4):
        path = folder / f"{k}.mp4"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("mpeg4", rate=25)
            stream.height, stream.width, stream.pix_fmt = 40, 64, "yuv420p"
            for picture in generator(k, "noise", "pixels").integers(0, 256, (20 - 4 * k, 40, 64, 3), np.uint8):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
            container.mux(stream.encode(None))
        listed.append(Video(id=str(k), path=path, label=k, class_name="a", split="train", dataset="d"))
    return listed


def order() -> Order:
    return Order(videos=4, batch=2, epochs=6, seed=3)


def test_batches_are_their_clips_one_by_one(videos: list[Video]) -> None:
    dataset = ClipDataset(videos, CLIPS, 0, train=True)
    for keys, batch in zip(order(), data.batches(dataset, order(), workers=0), strict=True):
        alone = [dataset[key] for key in keys]
        assert all(isinstance(one, Sample) for one in alone)
        assert torch.equal(batch.clip, torch.stack([one.clip for one in alone]))  # type: ignore[union-attr]
        assert batch.label.tolist() == batch.video.tolist() == [index for _, index in keys]


def test_workers_give_the_same_with_memory_used_again_and_with_threads_of_opencv(videos: list[Video]) -> None:
    """Twelve batches of one worker; with OpenCV's threads running here, which a fork has not."""
    wanted = [batch.clip for batch in data.batches(ClipDataset(videos, CLIPS, 0, train=True), order(), workers=0)]
    threads = cv2.getNumThreads()
    cv2.setNumThreads(2)
    try:
        cv2.GaussianBlur(np.zeros((2000, 2000), np.uint8), (9, 9), 2)
        for copied in (False, True):
            dataset = ClipDataset(videos, CLIPS, 0, train=True)
            dataset.copied = copied
            loader: DataLoader = DataLoader(
                dataset,
                batch_sampler=order(),
                num_workers=1,
                collate_fn=data._as_it_is,
                worker_init_fn=data.prepare_worker,
                timeout=60,
            )
            found = [batch.clip.clone() for batch in data.started(loader)]
            assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))
        assert cv2.getNumThreads() == 2
    finally:
        cv2.setNumThreads(threads)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_video_that_cannot_be_read_is_named(videos: list[Video], tmp_path: Path, workers: int) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    listed = [*videos[:3], Video(id="x", path=broken, label=0, class_name="a", split="train", dataset="d")]
    with pytest.raises(BenchError, match=r"broken\.mp4: not a readable video"):
        list(data.batches(ClipDataset(listed, CLIPS, 0, train=True), order(), workers))

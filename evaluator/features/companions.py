"""The files that others' code needs with the features: lists, ground truth, annotations, settings.

Everything is computed from the tables of the folder, so lengths match the arrays of the same run.

| file | for |
| --- | --- |
| ``SPLIT.list`` | a file name per line; anomalies: in training the anomalous ones first, as the order is the label |
| ``gt.npy``, ``lists.json`` | anomalies: truth per frame of the test list; counts that others' code has as numbers |
| ``SPLIT.csv`` | anomalies, format urdmu: ``path,label`` |
| ``gt_segment.npy``, ``gt_label.npy`` | the same: segments of every test video, for VadCLIP's detection mAP |
| ``annotations.json`` | segments, as in ActionFormer's ``thumos14.json``; format opentad: ``thumos_14_anno.json`` |
| ``category_idx.txt`` | segments: a class per line |
| ``features/missing_files.txt`` | segments: ids without features |
| ``actionformer.yaml``, ``opentad.py`` | settings that fit the features, in the format of this name |
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmark_builder.untrimmed.record import SPLITS
from benchmark_builder.untrimmed.thumos14 import WRONG
from benchmark_builder.utils.files import whole_file, write_csv, write_json, write_text
from benchmark_builder.utils.text import counted
from evaluator.features.folder import FeatureFolder, FeatureVideo
from evaluator.features.formats import FOLDER

NORMAL = "Normal"
TRUTH, COUNTS, ANNOTATIONS, OPENTAD = "gt.npy", "lists.json", "annotations.json", "thumos_14_anno.json"
VADCLIP_SEGMENTS, VADCLIP_LABELS = "gt_segment.npy", "gt_label.npy"
CATEGORIES, MISSING = "category_idx.txt", f"{FOLDER}/missing_files.txt"
YAML, CONFIG = "actionformer.yaml", "opentad.py"
NAMES = (
    *(f"{split}.{suffix}" for split in SPLITS for suffix in ("list", "csv")), TRUTH, COUNTS, ANNOTATIONS, OPENTAD,
    CATEGORIES, MISSING, YAML, CONFIG, VADCLIP_SEGMENTS, VADCLIP_LABELS,
)  # fmt: skip
VADCLIP_CROP = 5  # the crop that VadCLIP and DeSC test with
VADCLIP_NORMAL = "A"  # what its gt_label_ucf.npy calls a normal video: none of the classes of its detection mAP


def write_companions(path: Path, folders: Mapping[str, FeatureFolder], splits: Sequence[str], prefix: str) -> list[str]:
    """Write all files for others' code; returns what the user should know of them.

    Args:
        path: the folder.
        folders: task -> the folder with the annotations of this task; the task is "" without annotations.
        splits: of the videos.
        prefix: put before the names of files in lists.
    """
    folder = next(iter(folders.values()))
    notes: list[str] = []
    files: dict[str, list[str]] = {}
    for split in splits:
        ordered = _ordered(folders.get("anomaly", folder), split)
        files[split] = [f"{prefix}{name}" for video in ordered for name in _files(video)]
        write_text(path / f"{split}.list", "".join(f"{name}\n" for name in files[split]))
    blanks = any(len(name.split()) != 1 for names in files.values() for name in names)
    if blanks and folder.record["layout"] == "urdmu":
        notes.append("names of files contain blanks, at which UR-DMU's loader cuts them; rename them or give --prefix")
    if "anomaly" in folders:
        notes += _anomaly(path, folders["anomaly"], splits, prefix)
    if "localization" in folders:
        notes += _localization(path, folders["localization"], splits, prefix)
    return notes


def _files(video: FeatureVideo) -> list[str]:
    return video.layout.files(video.id, video.crops)


def _ordered(folder: FeatureFolder, split: str) -> list[FeatureVideo]:
    """The videos of a split as lists have them."""
    videos = folder.videos(split)
    return sorted(videos, key=lambda v: v.label == NORMAL) if folder.task == "anomaly" and split != "test" else videos


# Anomalies.


def window_truth(video: FeatureVideo) -> np.ndarray:
    """Truth per frame as others' code needs it, float64 (T · stride,): it repeats the score of every window ``stride``
    times. A window that is not full repeats the last frame, and so does its truth."""
    truth, length = video.frame_truth(), video.windows * video.stride
    return np.concatenate([truth[:length], np.full(max(length - len(truth), 0), truth[-1])]).astype(np.float64)


def _anomaly(path: Path, folder: FeatureFolder, splits: Sequence[str], prefix: str) -> list[str]:
    counts: dict[str, Any] = {"repeat": folder.stride, "crops": folder.crops, "dimension": folder.dimension}
    notes = []
    for split in splits:
        videos = _ordered(folder, split)
        normal = sum(video.label == NORMAL for video in videos)
        counts[split] = {"anomalous": len(videos) - normal, "normal": normal,
                         "windows": sum(video.windows for video in videos)}  # fmt: skip
        if folder.record["layout"] == "urdmu":
            wanted = [VADCLIP_CROP if folder.crops > VADCLIP_CROP else 0] if split == "test" else range(folder.crops)
            rows = [{"path": f"{prefix}{_files(v)[k]}", "label": v.label or ""} for v in videos for k in wanted]
            write_csv(path / f"{split}.csv", ["path", "label"], rows)
            odd = [v.id for v in videos if (v.label == NORMAL) != ("Normal" in v.id)]
            if odd:
                notes.append(f"UR-DMU reads the label from the name of the file, which must contain Normal for "
                             f"normal videos only; it misreads {len(odd)} of {split}, such as {odd[0]}")  # fmt: skip
    if "test" in splits:
        parts = [window_truth(video) for video in folder.videos("test")]
        truth = np.concatenate(parts) if parts else np.zeros(0)
        counts["test"] |= {"frames": len(truth), "anomalous_frames": int(truth.sum())}
        with whole_file(path / TRUTH) as temporary:
            np.save(temporary, truth, allow_pickle=False)
        if folder.record["layout"] == "urdmu":
            tables = [vadclip_segments(video) for video in folder.videos("test")]
            _save_lists(path / VADCLIP_SEGMENTS, [[list(s[:2]) for s in own] for own in tables])
            _save_lists(path / VADCLIP_LABELS, [[s[2] for s in own] for own in tables])
    write_json(path / COUNTS, counts)
    return notes


def vadclip_segments(video: FeatureVideo) -> list[tuple[int, int, str]]:
    """Segments of a test video as VadCLIP's detection mAP (Wu et al., AAAI 2024) reads them: first frame, the one after
    the last, class; a normal video is one segment of no class. Frames count as in :func:`window_truth`."""
    length = video.windows * video.stride
    if not video.segments:
        return [(0, length, VADCLIP_NORMAL)] if video.label == NORMAL else []
    ends = [length if s.end_frame == video.frames else min(s.end_frame, length) for s in video.segments]
    return [(s.start_frame, e, s.label) for s, e in zip(video.segments, ends, strict=True) if s.start_frame < e]


def _save_lists(path: Path, lists: list[Any]) -> None:
    """Write an array of lists of different lengths, which its readers open with ``allow_pickle=True``."""
    array = np.empty(len(lists), dtype=object)
    for k, own in enumerate(lists):
        # Text that is one object everywhere gives the same bytes in every run.
        array[k] = [sys.intern(entry) if isinstance(entry, str) else entry for entry in own]
    with whole_file(path) as temporary:
        np.save(temporary, array, allow_pickle=True)


# Localisation.


def _localization(path: Path, folder: FeatureFolder, splits: Sequence[str], prefix: str) -> list[str]:
    opentad = folder.record["layout"] == "opentad"
    videos = [v for v in folder.videos() if not (opentad and v.id in WRONG)]
    occurring = {s.label for v in videos for s in v.segments}
    classes = [name for name in folder.classes if name in occurring]
    notes = []
    if len(classes) < len(folder.classes):
        notes.append(f"{counted(len(folder.classes) - len(classes), 'class occurs', 'classes occur')} in no video "
                     f"with features; numbers of "
                     f"classes in files for others' code count the other {len(classes)}")  # fmt: skip
    kept = {v.id for v in videos}
    missing = [v.id for v in folder.left_out] + [v.id for v in folder.videos() if v.id not in kept]
    write_text(path / CATEGORIES, "".join(f"{name}\n" for name in classes))
    write_text(path / MISSING, "".join(f"{name}\n" for name in sorted(missing)))
    database = {v.id: (_opentad if opentad else _actionformer)(v, classes) for v in videos}
    said = f"{folder.record['dataset']}, features of {folder.record['model']['method']}"
    write_json(path / (OPENTAD if opentad else ANNOTATIONS), {"version": said, "database": database})
    if opentad:
        write_text(path / CONFIG, _config(folder, prefix))
    elif folder.record["layout"] == "actionformer":
        write_text(path / YAML, _yaml(folder, classes, splits, prefix))
        if folder.record["dataset"] != "thumos14" and len(classes) > 4:
            notes.append(f"ActionFormer's loader `thumos` leaves out the class with number 4, here {classes[4]}; use "
                         "`bench downstream localize`, or change that line of its code")  # fmt: skip
    return notes


def _actionformer(video: FeatureVideo, classes: list[str]) -> dict[str, Any]:
    rows = [{"segment": [s.start, s.end], "label": s.label, "label_id": classes.index(s.label)} for s in video.segments]
    return {"subset": video.split, "duration": video.duration, "fps": video.fps, "annotations": rows}


def _opentad(video: FeatureVideo, classes: list[str]) -> dict[str, Any]:
    """OpenTAD's validation subset is THUMOS14's test set, its training subset the validation set."""
    rows = [{"segment": [s.start, s.end], "label": s.label} for s in video.segments]
    subset = "validation" if video.split == "test" else "training"
    return {"subset": subset, "duration": video.duration, "frame": video.frames, "annotations": rows}


def _yaml(folder: FeatureFolder, classes: list[str], splits: Sequence[str], prefix: str) -> str:
    """Settings of ActionFormer (Zhang et al., ECCV 2022) for THUMOS14, with what depends on the features."""
    trained = [split for split in splits if split != "test"] or list(splits)
    tested = ["test"] if "test" in splits else list(splits)
    lines = [
        "dataset_name: thumos",
        f"train_split: {json.dumps(trained)}",
        f"val_split: {json.dumps(tested)}",
        "dataset:",
        f"  json_file: {json.dumps(prefix + ANNOTATIONS)}",
        f"  feat_folder: {json.dumps(prefix + FOLDER)}",
        "  file_prefix: null",
        "  file_ext: .npy",
        f"  num_classes: {len(classes)}",
        f"  input_dim: {folder.dimension}",
        f"  feat_stride: {folder.stride}",
        f"  num_frames: {folder.window}",
        "  default_fps: null",
        "  trunc_thresh: 0.5",
        "  crop_ratio: [0.9, 1.0]",
        "  max_seq_len: 2304",
        "model: {fpn_type: identity, max_buffer_len_factor: 6.0, n_mha_win_size: 19}",
        "opt: {learning_rate: 0.0001, epochs: 30, weight_decay: 0.05}",
        "loader: {batch_size: 2}",
        "train_cfg: {init_loss_norm: 100, clip_grad_l2norm: 1.0, cls_prior_prob: 0.01, center_sample: radius, "
        "center_sample_radius: 1.5}",
        "test_cfg: {voting_thresh: 0.7, pre_nms_topk: 2000, max_seg_num: 200, min_score: 0.001, multiclass_nms: true}",
        "output_folder: ./ckpt/",
    ]  # fmt: skip
    return "".join(f"{line}\n" for line in lines)


def _config(folder: FeatureFolder, prefix: str) -> str:
    """What a configuration of OpenTAD says of its data, to be put in its ``dataset`` tables."""
    values = {
        "annotation_path": prefix + OPENTAD, "class_map": prefix + CATEGORIES, "data_path": f"{prefix}{FOLDER}/",
        "block_list": prefix + MISSING, "feature_stride": folder.stride, "sample_stride": 1,
        "offset_frames": folder.window // 2, "in_channels": folder.dimension, "feat_format": "npy",
    }  # fmt: skip
    return "".join(f"{name} = {value!r}\n" for name, value in values.items())

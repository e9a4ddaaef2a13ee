"""The files of `bench export --layout qa` that run inside lmms-eval and VLMEvalKit."""

import json
import re

LMMS_UTILS = '''"""Functions of the task; written by `bench export --layout qa`. The folder may be moved as a whole."""

import re
import string
from pathlib import Path

_FOLDER = Path(__file__).resolve().parent.parent


def doc_to_visual(doc):
    path = _FOLDER / doc["video"]
    if not path.is_file():
        raise FileNotFoundError(f"{path}: the video of {doc['id']} is missing; export the questions again")
    return [str(path)]


def doc_to_text(doc, lmms_eval_specific_kwargs=None):
    said = lmms_eval_specific_kwargs or {}
    options = [f"{letter}. {text}" for letter, text in zip(string.ascii_uppercase, doc["options"])]
    return said.get("pre_prompt", "") + "\\n".join([doc["question"], *options]) + said.get("post_prompt", "")


def doc_to_target(doc):
    return doc["answer"]


def letter_of(text, options):
    """The letter at the start of an answer, such as "B", "(B)" or "B. waving"; the full rules are in `bench score`."""
    last = string.ascii_uppercase[len(options) - 1]
    found = re.match(rf"^[\\s(\\[*\\"']*([A-{last}])(?=$|[\\s).:\\],*\\"'])(?!\\s+[a-z])", text.strip())
    if found:
        return found.group(1)
    same = [k for k, option in enumerate(options) if option.casefold() == text.strip().rstrip(".").casefold()]
    return string.ascii_uppercase[same[0]] if same else ""


def process_results(doc, results):
    text = str(results[0])
    said = letter_of(text, doc["options"])
    right = float(said == doc["answer"])
    return {"accuracy": {"id": doc["id"], "text": text, "letter": said, "right": right}}


def mean_right(results):
    return sum(r["right"] for r in results) / len(results) if results else 0.0
'''

VLMEVALKIT_DATASET = '''"""VLMEvalKit's dataset class for the questions in this folder; written by `bench export`.

Add these lines to VLMEvalKit's vlmeval/dataset/__init__.py, directly after the list VIDEO_DATASET:

    import sys; sys.path.append("THIS FOLDER")
    from MODULE import CLASS
    VIDEO_DATASET += [CLASS]

and run: python run.py --data NAME --mode infer --model …
"""

import os.path as osp
import string

import pandas as pd
from vlmeval.dataset.video_base import VideoBaseDataset

FOLDER = osp.dirname(osp.abspath(__file__))


class CLASS(VideoBaseDataset):
    TYPE = "Video-MCQ"

    def __init__(self, dataset="NAME", nframe=0, fps=-1):
        if nframe <= 0 and fps <= 0:
            nframe = 8  # VLMEvalKit needs one of them, and gives none with --data
        super().__init__(dataset=dataset, nframe=nframe, fps=fps)
        # Options such as "none" are texts, not empty cells.
        texts = dict.fromkeys(["id", "video", *string.ascii_uppercase], str)
        self.data = pd.read_csv(self.data_file, sep="\\t", keep_default_na=False, dtype=texts)

    @classmethod
    def supported_datasets(cls):
        return ["NAME"]

    def prepare_dataset(self, dataset):
        return dict(data_file=osp.join(FOLDER, f"{dataset}.tsv"), root=osp.join(osp.dirname(FOLDER), "videos"))

    def build_prompt(self, line, video_llm):
        line = self.data.iloc[line] if isinstance(line, int) else line
        if video_llm:
            message = [dict(type="video", value=osp.join(self.data_root, line["video"] + ".mp4"))]
        else:
            found = self.save_video_frames(line["video"])
            frames = found[0] if isinstance(found, tuple) else found
            message = [dict(type="image", value=path) for path in frames]
        letters = [c for c in string.ascii_uppercase if c in line]
        options = "\\n".join(f"{c}. {line[c]}" for c in letters)
        text = f"{line['question']}\\n{options}\\nAnswer with the letter of the right option only."
        return [*message, dict(type="text", value=text)]

    @classmethod
    def evaluate(cls, eval_file, **judge_kwargs):
        raise NotImplementedError(f"run: bench score {eval_file} --questions {osp.dirname(FOLDER)} --benchmark DIR")
'''


def vlmevalkit_dataset(name: str) -> tuple[str, str]:
    """The Python file of a VLMEvalKit data set: its name and its text.

    The module and the class have names of their own, so that several exports can be imported together.

    Args:
        name: the data set's name, ``albar_bench_BENCHMARK``.
    """
    plain = re.sub(r"\W", "_", name, flags=re.ASCII)
    module, kind = f"{plain}_dataset", plain.replace("albar_bench_", "AlbarBench_", 1)
    words = {"NAME": name, "MODULE": module, "CLASS": kind}
    return f"{module}.py", re.sub("|".join(words), lambda m: words[m.group()], VLMEVALKIT_DATASET)


def lmms_yaml(name: str, data: str, ask: str) -> str:
    """The YAML file of an lmms-eval task.

    Args:
        name: the task's name.
        data: the JSON lines file with the questions, relative to the folder in which lmms-eval is started.
        ask: what is said after the options.
    """
    say = json.dumps  # a JSON text is a YAML text
    return f"""# Written by `bench export --layout qa`. Start lmms-eval in this folder: data_files is relative to it.
task: {say(name)}
dataset_path: json
dataset_kwargs:
  data_files:
    test: {say(data)}
test_split: test
output_type: generate_until
doc_to_visual: !function utils.doc_to_visual
doc_to_text: !function utils.doc_to_text
doc_to_target: !function utils.doc_to_target
generation_kwargs:
  max_new_tokens: 16
  temperature: 0
  do_sample: false
process_results: !function utils.process_results
metric_list:
  - metric: accuracy
    aggregation: !function utils.mean_right
    higher_is_better: true
lmms_eval_specific_kwargs:
  default:
    pre_prompt: ""
    post_prompt: {say(chr(10) + ask)}
metadata:
  - version: 1.0
"""

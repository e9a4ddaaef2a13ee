"""What a step costs, in clips through the network, against counts by hand."""

import pytest
import torch

from albar.clips.clips import sampling
from albar.methods import Batch, Companions, Method, make_method
from albar.models import build_model
from albar.training.cost import BACKWARD, FORWARD, Passes, over_epochs

CLIPS, FRAMES = 4, 8


def cost(method: Method) -> tuple[float, float]:
    """Forward and backward clips per training clip of one step of a method."""
    torch.manual_seed(0)
    clips = sampling("8x2-48").replaced({"size": 16, "frames": FRAMES})
    network = build_model("small3d", 3, clips)
    method.prepare(network, torch.zeros(1, 3, FRAMES, 16, 16), Companions(3, clips))
    passes = Passes(network, (3, FRAMES, 16, 16))
    draw = torch.Generator().manual_seed(0)
    batch = method.augment(Batch(torch.randn(CLIPS, 3, FRAMES, 16, 16), torch.arange(CLIPS) % 3), draw)
    loss, _ = method.loss(network, batch, draw, 0.0)
    loss.backward()
    found = passes.taken(CLIPS)
    assert (passes.forward, passes.backward) == (0, 0)
    return found[FORWARD], found[BACKWARD]


@pytest.mark.parametrize(
    ("name", "preset", "options", "forward", "backward"),
    [
        ("baseline", "scratch", {}, 1, 1),
        ("mixup", "scratch", {}, 1, 1),
        # the clip; 8 stills, each of 1 of 8 frames; one clip with another's motion for every second clip
        ("albar", "scratch", {}, 1 + 8 / 8 + 1 / 2, 1 + 8 / 8 + 1 / 2),
        ("albar", "scratch", {"borrow": 0.0, "stills": 2}, 1 + 2 / 8, 1 + 2 / 8),
        # a still clip of all frames: forward; and backward for the penalty's gradient, for the gradient of that, and
        # for the other terms
        ("albar", "finetune", {"static_frames": "all"}, 1 + 1, 1 + 3),
        ("albar", "finetune", {"static_frames": 2}, 1 + 2 / 8, 1 + 3 * 2 / 8),
        ("albar", "finetune", {"gp": 0.0}, 1 + 1 / 8, 1 + 1 / 8),
    ],
)
def test_clips_are_counted_as_by_hand(
    name: str, preset: str, options: dict[str, float], forward: float, backward: float
) -> None:
    assert cost(make_method(name, preset, options)) == (forward, backward)


def test_a_pass_without_gradients_goes_forward_only() -> None:
    network = build_model("small3d", 3, sampling("8x2-48"))
    passes = Passes(network, (3, FRAMES, 16, 16))
    with torch.no_grad():
        network(torch.zeros(2, 3, FRAMES, 16, 16))
    assert passes.taken(1) == {FORWARD: 2, BACKWARD: 0}
    network(torch.zeros(2, 3, FRAMES, 16, 16))
    passes.restart()
    assert passes.taken(1) == {FORWARD: 0, BACKWARD: 0}


def test_a_run_has_the_mean_of_its_epochs_or_none() -> None:
    rows = [{FORWARD: 1.0, BACKWARD: 1.0}, {FORWARD: 2.0, BACKWARD: 4.0}]
    assert over_epochs(rows) == {FORWARD: 1.5, BACKWARD: 2.5}
    assert over_epochs([*rows, {"loss": 1.0}]) == {} and over_epochs([]) == {}

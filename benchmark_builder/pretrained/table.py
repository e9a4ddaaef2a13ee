"""The table of trained networks: the use, the licence and the source of each."""

from dataclasses import dataclass

from benchmark_builder.utils.errors import BenchError


@dataclass(frozen=True, slots=True)
class Wheel:
    """A package's wheel that contains the file; it comes from PyPI or a mirror of it.

    Attributes:
        project, version, file: the package, its version, and the wheel's file name.
        size: size of the wheel in bytes.
        member: name of the file inside the wheel.
    """

    project: str
    version: str
    file: str
    size: int
    member: str


@dataclass(frozen=True, slots=True)
class Address:
    """A web address; the file is stored in torch hub's folder of checkpoints, so that both share it."""

    url: str


@dataclass(frozen=True, slots=True)
class HubFolder:
    """A repository on the Hugging Face hub; its files are stored in the hub's own cache.

    Attributes:
        repository: OWNER/NAME.
        files: the files that are needed.
    """

    repository: str
    files: tuple[str, ...]


def origin(source: Wheel | Address | HubFolder) -> str:
    """The source of weights, in words."""
    if isinstance(source, Wheel):
        return f"PyPI, {source.project} {source.version}"
    return source.url if isinstance(source, Address) else f"hf.co/{source.repository}"


@dataclass(frozen=True, slots=True)
class Network:
    """The weights of one trained network.

    Attributes:
        name: its name in commands.
        use: the option that needs it.
        licence: short name of its licence.
        file: name of the file or the folder with the weights.
        size: size in bytes; approximate if no whole digest is published.
        sha256: SHA-256 of the file, lower-case hex; only the first 8 digits if no more are published; "" if none are.
        source: where it is fetched from.
        unasked: whether it is fetched when it is first needed; if False, only by ``bench weights fetch``.
        option: the option for the user's own weights instead; "" if there is none.
        without: what works without this network, for messages; "" if nothing does.
    """

    name: str
    use: str
    licence: str
    file: str
    size: int
    sha256: str
    source: Wheel | Address | HubFolder
    unasked: bool = False
    option: str = ""
    without: str = ""


MEDIAPIPE = ("mediapipe", "0.10.21", "mediapipe-0.10.21-cp312-cp312-manylinux_2_28_x86_64.whl", 35_627_340)
MOTION = "--masks motion, which needs no network"
SAM = "https://dl.fbaipublicfiles.com/segment_anything/"
TORCHVISION = "https://download.pytorch.org/models/"
PLACES = "http://places2.csail.mit.edu/models_places365/"
SAM2 = "facebook/sam2.1-hiera-tiny"
SAM2_FILES = (
    "config.json", "model.safetensors", "preprocessor_config.json", "processor_config.json",
    "video_preprocessor_config.json",
)  # fmt: skip

_ROWS = (
    Network(
        "mediapipe-selfie", "--masks people", "Apache-2.0", "selfie_segmentation.tflite",
        249_505,
        "9ee168ec7c8f2a16c56fe8e1cfbc514974cbbb7e434051b455635f1bd1462f5c",
        Wheel(*MEDIAPIPE, "mediapipe/modules/selfie_segmentation/selfie_segmentation.tflite"),
        unasked=True, without=MOTION,
    ),
    Network(
        "mediapipe-pose", "--masks people", "Apache-2.0",
        "pose_landmark_full.tflite",
        6_440_512,
        "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
        Wheel(*MEDIAPIPE, "mediapipe/modules/pose_landmark/pose_landmark_full.tflite"),
        unasked=True, without=MOTION,
    ),
    Network(
        "sam-vit-h", "--masks sam", "Apache-2.0", "sam_vit_h_4b8939.pth", 2_564_550_879,
        "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e", Address(f"{SAM}sam_vit_h_4b8939.pth"),
        option="--sam-checkpoint FILE",
    ),
    Network(
        "sam-vit-l", "--masks sam --sam-model vit_l", "Apache-2.0", "sam_vit_l_0b3195.pth", 1_249_524_607,
        "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622", Address(f"{SAM}sam_vit_l_0b3195.pth"),
        option="--sam-checkpoint FILE",
    ),
    Network(
        "sam-vit-b", "--masks sam --sam-model vit_b", "Apache-2.0", "sam_vit_b_01ec64.pth", 375_042_383,
        "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912", Address(f"{SAM}sam_vit_b_01ec64.pth"),
        option="--sam-checkpoint FILE",
    ),
    Network(
        "sam2-hiera-tiny", "--masks sam2", "Apache-2.0", "sam2.1-hiera-tiny", 156_000_000, "",
        HubFolder(SAM2, SAM2_FILES), unasked=True, option="--sam-checkpoint FOLDER",
    ),
    Network(
        "maskrcnn-v2", "--masks maskrcnn, --prompts detector", "BSD-3-Clause",
        "maskrcnn_resnet50_fpn_v2_coco-73cbd019.pth", 185_828_065,
        "73cbd0190fcbe3ba339921fbce2c3a0b6bb9126c9a133c85e43a2a8e060a109e",
        Address(f"{TORCHVISION}maskrcnn_resnet50_fpn_v2_coco-73cbd019.pth"), unasked=True,
        option="--masks maskrcnn:FILE",
    ),
    Network(
        "maskrcnn", "--masks maskrcnn:maskrcnn", "BSD-3-Clause",
        "maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth", 178_090_079, "bf2d0c1e",
        Address(f"{TORCHVISION}maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth"), unasked=True, option="--masks maskrcnn:FILE",
    ),
    Network(
        "keypointrcnn", "--masks maskrcnn:keypointrcnn", "BSD-3-Clause",
        "keypointrcnn_resnet50_fpn_coco-fc266e95.pth", 237_034_793,
        "fc266e953d2b302cdcbb9ae66f71f6b0d4649928bf02dc573961e361e4918926",
        Address(f"{TORCHVISION}keypointrcnn_resnet50_fpn_coco-fc266e95.pth"), unasked=True,
        option="--masks maskrcnn:FILE",
    ),
    Network(
        "keypointrcnn-legacy", "--masks maskrcnn:keypointrcnn-legacy", "BSD-3-Clause",
        "keypointrcnn_resnet50_fpn_coco-9f466800.pth", 237_000_000, "9f466800",
        Address(f"{TORCHVISION}keypointrcnn_resnet50_fpn_coco-9f466800.pth"), unasked=True,
        option="--masks maskrcnn:FILE",
    ),
    Network(
        "places365-resnet18", "bench train sdn --places", "CC BY", "resnet18_places365.pth.tar",
        45_500_000, "", Address(f"{PLACES}resnet18_places365.pth.tar"), option="--places FILE",
    ),
)  # fmt: skip
NETWORKS = {row.name: row for row in _ROWS}


def network_of_file(file: str) -> Network | None:
    """The row with this file name; None if there is none."""
    return next((network for network in NETWORKS.values() if network.file == file), None)


def network_of(name: str) -> Network:
    """The row with this name.

    Raises:
        BenchError: there is none.
    """
    if name not in NETWORKS:
        raise BenchError(f"{name}: no network of that name; choose from {', '.join(NETWORKS)}")
    return NETWORKS[name]

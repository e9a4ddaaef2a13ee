"""The parts of this toolkit, by name: mask sources, background sets, datasets, layouts.

Parts are imported on first use.

A new part is its own file and a line in `shipped` and in `about` here; `--help`, errors and tests read these tables.
"""

from benchmark_builder.utils.registry import Registry

MASKS = Registry(
    "mask source",
    "--masks",
    "masks",
    {
        "ucf101-24": "benchmark_builder.masks.annotations.ucf101_24:UCF101_24Boxes",
        "ucf101-v2": "benchmark_builder.masks.annotations.ucf101_v2:UCF101V2Boxes",
        "jhmdb": "benchmark_builder.masks.annotations.jhmdb:PuppetMasks",
        "folder": "benchmark_builder.masks.folder:FolderMasks",
        "rle": "benchmark_builder.masks.rle:RLEMasks",
        "truth": "benchmark_builder.masks.stored:TruthMasks",
        "boxes": "benchmark_builder.masks.boxes:BoxesOf",
        "stored": "benchmark_builder.masks.stored:StoredMasks",
        "people": "benchmark_builder.masks.people.source:PeopleMasks",
        "motion": "benchmark_builder.masks.motion.source:MotionMasks",
        "maskrcnn": "benchmark_builder.masks.networks.maskrcnn:MaskRCNNMasks",
        "detector": "benchmark_builder.masks.networks.maskrcnn:DetectorBoxes",
        "sam": "benchmark_builder.masks.networks.sam:SamMasks",
        "sam2": "benchmark_builder.masks.networks.sam2:Sam2Masks",
    },
    {
        "ucf101-24": "ucf101-24[:pyannot.pkl]: boxes of UCF101-24.",
        "ucf101-v2": "ucf101-v2[:UCF101v2-GT.pkl]: boxes of UCF101-24.",
        "jhmdb": "jhmdb[:puppet_mask]: JHMDB's puppet masks.",
        "folder": "folder:FOLDER: FOLDER/ID/00001.png, as in DAVIS and HAT.",
        "rle": "rle:FILE.json: COCO run-length codes, by video or in the YouTube-VIS format.",
        "truth": "truth: synthactions' exact masks.",
        "boxes": "boxes:KIND[:PATH]: the bounding boxes of another source's masks, to measure what boxes leak.",
        "stored": "stored:FOLDER: the masks that `bench segment` wrote.",
        "people": "people: people who act, found by motion and two small networks (6.7 MB, fetched once); with "
        "--prompts, the people in the boxes of another source.",
        "motion": "motion: whatever moves; no files needed.",
        "maskrcnn": "maskrcnn[:WEIGHTS]: people found by torchvision's Mask R-CNN or Keypoint R-CNN. WEIGHTS: a name "
        "of torchvision, or a file.",
        "detector": "detector[:WEIGHTS]: the boxes of these people.",
        "sam": "sam[:CHECKPOINT]: Segment Anything, prompted with the boxes of --prompts.",
        "sam2": "sam2[:FOLDER or hub name]: SAM 2, which tracks actors from the boxes of --prompts.",
    },
)

BACKGROUNDS = Registry(
    "background set",
    "--backgrounds",
    "backgrounds",
    {
        "stripes": "benchmark_builder.backgrounds.stripes:Stripes",
        "images": "benchmark_builder.backgrounds.images:ImageFolder",
        "video": "benchmark_builder.backgrounds.moving:VideoFolder",
        "plain": "benchmark_builder.backgrounds.plain:Plain",
        "noise": "benchmark_builder.backgrounds.plain:Noise",
    },
    {
        "images": "images:FOLDER (Places365's test_256 …)",
        "video": "video:FOLDER (moving scenery)",
    },
)

# Each is `read(root, split, fold) -> Listing`, in a module where `WHERE` explains where to get the dataset and how to
# store it.
DATASETS = Registry(
    "dataset",
    "--dataset",
    "datasets",
    {
        "synthactions": "benchmark_builder.datasets.synthactions:read",
        "ucf101": "benchmark_builder.datasets.ucf101:read",
        "hmdb51": "benchmark_builder.datasets.hmdb51:read",
        "kinetics400": "benchmark_builder.datasets.kinetics400:read",
        "jhmdb": "benchmark_builder.datasets.jhmdb:read",
        "aras": "benchmark_builder.datasets.aras:read",
        "mimetics": "benchmark_builder.datasets.mimetics:read",
        "diving48": "benchmark_builder.datasets.diving48:read",
        "ssv2": "benchmark_builder.datasets.ssv2:read",
        "ucf-crime": "benchmark_builder.datasets.ucf_crime:read",
        "ucf-crime-recognition": "benchmark_builder.datasets.ucf_crime:recognition",
        "thumos14": "benchmark_builder.datasets.thumos14:read",
        "hat-kinetics400": "benchmark_builder.datasets.hat:kinetics400",
        "hat-ucf101": "benchmark_builder.datasets.hat:ucf101",
        "folder": "benchmark_builder.datasets.folder:read",
    },
    {"folder": "folder (one folder of videos per class)"},
)

LAYOUTS = Registry(
    "layout",
    "--layout",
    "layouts",
    {
        "video": "benchmark_builder.layouts.video:VideoFile",
        "lossless": "benchmark_builder.layouts.video:Lossless",
        "frames": "benchmark_builder.layouts.frames:Frames",
        "zip": "benchmark_builder.layouts.zipped:Zipped",
        "virtual": "benchmark_builder.layouts.virtual:Virtual",
    },
    {
        "video": "video (H.264, near-lossless)",
        "lossless": "lossless (FFV1)",
        "frames": "frames (JPEG)",
        "zip": "zip (of JPEGs)",
        "virtual": "virtual (composed when read)",
    },
)

"""The parts that ship, by name: mask sources, background sets, datasets, layouts. Nothing is imported before its use.

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
        "folder": "folder:FOLDER: FOLDER/ID/00001.png, as DAVIS and HAT have them.",
        "rle": "rle:FILE.json: COCO run-length codes, by video or in YouTube-VIS's form.",
        "truth": "truth: synthactions' exact masks.",
        "boxes": "boxes:KIND[:PATH]: the bounding boxes of another source's masks, to see what boxes would leak.",
        "stored": "stored:FOLDER: what `bench segment` wrote.",
        "motion": "motion: no files needed.",
        "maskrcnn": "maskrcnn[:WEIGHTS]: people found by torchvision's Mask R-CNN or Keypoint R-CNN. WEIGHTS: "
        "torchvision's name of them, or a file.",
        "detector": "detector[:WEIGHTS]: their boxes.",
        "sam": "sam[:CHECKPOINT]: Segment Anything in the boxes of --prompts.",
        "sam2": "sam2[:FOLDER or hub name]: SAM 2, which follows actors from the boxes of --prompts.",
    },
)

BACKGROUNDS = Registry(
    "background set",
    "--backgrounds",
    "backgrounds",
    {
        "stripes": "benchmark_builder.backgrounds.stripes:Stripes",
        "images": "benchmark_builder.backgrounds.images:ImageFolder",
        "plain": "benchmark_builder.backgrounds.plain:Plain",
        "noise": "benchmark_builder.backgrounds.plain:Noise",
    },
    {"images": "images:FOLDER (Places365's test_256 …)"},
)

# Each is `read(root, split, fold) -> Listing`, in a module whose `WHERE` says where to get the dataset and how its
# folder must look.
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
        "folder": "benchmark_builder.datasets.folder:read",
    },
    {"folder": "folder (videos in folders that are their classes)"},
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

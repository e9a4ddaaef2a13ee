#!/usr/bin/env bash
# Everything that needs a GPU, in one command: the table of swin3d_t from scratch on 10,240 rendered videos, the speed of
# ALBAR's step, and of the segmenters. Results go to benchmarks/results.
#     bash benchmarks/gpu_table.sh [WORK_FOLDER]
set -euo pipefail
cd "$(dirname "$0")/.."
work=${1:-gpu_table}
export BENCH_DATA=$work/data
python -m bench data render --size 128 --frames 32 --train 10240 --test 512
python -m bench compare --methods baseline stillmix fame albar --seeds 1 --config benchmarks/gpu_table.toml \
    --device cuda --out "$work/compare"
cp "$work/compare/compare.csv" benchmarks/results/gpu_swin3d_t.csv
for frames in 2 8 all; do
    python benchmarks/albar_step.py --device cuda --model swin3d_t --frames 16 --size 112 --classes 8 --batch 32 \
        --steps 20 --bf16 --static-frames $frames
done | tee benchmarks/results/gpu_albar_step.txt
python benchmarks/mask_speed.py --device cuda --half --sources vit_b vit_h maskrcnn --frames 64 \
    | tee benchmarks/results/gpu_mask_speed.txt

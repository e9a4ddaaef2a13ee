#!/usr/bin/env bash
# Everything that needs a GPU, in one command: the table of swin3d_t from scratch on 10,240 rendered videos, what fewer
# still frames do to it, bf16 against TF32 (speed and loss curves), ALBAR's step, and the segmenters.
#     bash perf/gpu_table.sh [WORK_FOLDER]
# Results are written to benchmarks/results. The same command continues a stopped run: finished results and runs are
# kept. A part that fails is reported, and the others continue. EPOCHS=12 in front of it shortens the runs of the table.
# To test the whole script with tiny sizes on a CPU, with results in the work folder:
#     TINY=1 bash perf/gpu_table.sh WORK_FOLDER
set -uo pipefail
cd "$(dirname "$0")/.."
work=$(realpath -m "${1:-gpu_table}")
python=.venv/bin/python
[ -x $python ] || python=python
config=$work/gpu_table.toml
export BENCH_DATA=$work/data
mkdir -p "$work"

if [ -n "${TINY:-}" ]; then
    device=cpu results=$work/results curve_epochs=2
    render="--size 32 --frames 8 --train 32 --test 8"
    step="--frames 4 --size 32 --batch 2 --steps 1 --static-frames 2 --videos 4 --workers 1"
    masks="--sources tiny --frames 4"
    statics="4"
    sed -e 's/^epochs = .*/epochs = 1/' -e 's/^batch = .*/batch = 4/' -e 's/^frames = .*/frames = 4/' \
        -e 's/^size = .*/size = 32/' -e 's/^resize = .*/resize = 32/' -e 's/^precision = .*/precision = "float32"/' \
        perf/gpu_table.toml > "$config"
else
    device=cuda results=benchmarks/results curve_epochs=8
    render="--size 128 --frames 32 --train 10240 --test 512"
    step="--frames 16 --size 112 --batch 32 --steps 20 --static-frames 2 8 --bf16 --compile --videos 640"
    masks="--half --sources vit_b vit_h maskrcnn --frames 64"
    statics="8 16"
    sed -e "s/^epochs = .*/epochs = ${EPOCHS:-30}/" perf/gpu_table.toml > "$config"
fi
mkdir -p "$results"
failed=()

# part NAME COMMAND...: COMMAND, which makes the file NAME in the results, unless that is there already.
part() {
    local name=$1
    shift
    if [ -s "$results/$name" ]; then
        echo "== $results/$name is there already"
    elif echo "== $name" && "$@"; then
        echo "== wrote $results/$name"
    else
        failed+=("$name")
    fi
}

# printed NAME COMMAND...: what COMMAND prints becomes the file, once it has ended well.
printed() {
    local name=$1
    shift
    "$@" 2>&1 | tee "$work/$name.part" && mv "$work/$name.part" "$results/$name"
}

bench() { $python -m bench "$@"; }

table() {
    bench data render $render &&
        bench compare --methods baseline stillmix fame albar --seeds 1 --config "$config" --device $device \
            --out "$work/compare" &&
        cp "$work/compare/compare.csv" "$results/gpu_swin3d_t.csv"
}

# ALBAR of the table once more, with other numbers of still frames.
static_frames() {
    local n
    bench eval "$work/compare/runs/albar-s0/model.ckpt" --method "albar, 2 still frames" --device $device \
        --out "$work/static/results" || return
    for n in $statics; do
        bench train albar --config "$config" --set static_frames=$n --device $device --out "$work/static/$n" &&
            bench eval "$work/static/$n/model.ckpt" --method "albar, $n still frames" --device $device \
                --out "$work/static/results" || return
    done
    cp "$work/static/results/leaderboard.csv" "$results/gpu_static_frames.csv"
}

# With a penalty, so that the double backward is among what bf16 must get right.
curves() {
    local run=(bench train albar --config "$config" --set gp=0.01 --device $device --epochs $curve_epochs)
    local fast=bf16 exact=tf32
    [ -n "${TINY:-}" ] && exact=float32
    "${run[@]}" --precision $exact --out "$work/curves/$exact" &&
        "${run[@]}" --precision $fast --out "$work/curves/$fast" &&
        "${run[@]}" --precision $exact --seed 1 --out "$work/curves/$exact-seed1" &&
        printed gpu_loss_curves.txt $python perf/loss_curves.py "$work/curves/$exact" "$work/curves/$fast" \
            "$work/curves/$exact-seed1"
}

part gpu_albar_step.txt printed gpu_albar_step.txt \
    $python perf/albar_step.py --device $device --model swin3d_t --classes 8 $step
part gpu_swin3d_t.csv table
part gpu_static_frames.csv static_frames
part gpu_loss_curves.txt curves
part gpu_mask_speed.txt printed gpu_mask_speed.txt $python perf/mask_speed.py --device $device $masks

if [ ${#failed[@]} -gt 0 ]; then
    echo "not made: ${failed[*]}; run again once mended"
    exit 1
fi

#!/usr/bin/env bash
# Everything that needs a GPU, in one command and within a given time:
#     bash perf/gpu_table.sh [FOLDER]
# Most important first: ALBAR's step (bf16 against TF32, torch.compile, channels-last, memory, idle share of the GPU), the
# table of methods with swin3d_t on rendered videos, loss curves of bf16 and TF32, what 2, 8 and 16 still frames do, how
# many CPU cores one GPU and eight GPUs need, and the segmenters. The results are files in FOLDER/results; summary.txt has
# the machine, each step's seconds, and why a step has no result.
#
# Each step has a time limit, and all together $MINUTES (13). A step that fails or is stopped costs only its own result:
# what it had printed stays as NAME.partial. The same command goes on: finished results are kept, and training
# continues where it was stopped. Variables: DEVICE (cuda), MINUTES, TRAIN (2048 videos), EPOCHS (12), BATCHES ("16 8 4" clips
# for the step; the next one is tried when memory runs out), PYTHON, CLIPS (real videos for the input side; else rendered).
# A test of the whole script on a CPU with tiny sizes:
#     DEVICE=cpu TINY=1 bash perf/gpu_table.sh FOLDER
set -uo pipefail
self=$(realpath "$0")
cd "$(dirname "$self")/.."
work=$(realpath -m "${1:-gpu_table}")
results=$work/results
device=${DEVICE:-cuda}
for python in "${PYTHON:-}" .venv/bin/python python3; do
    [ -n "$python" ] && command -v "$python" > /dev/null && break
done
export PYTHONUNBUFFERED=1 TQDM_MININTERVAL=10 BENCH_DATA=$work/data BENCH_CACHE=$work/cache
export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH}
config=$work/gpu_table.toml
root=$work/data/synthactions

# Each NAME is a file of the results, made by the function step_NAME (dots and dashes are underscores) below.
names=(albar_step.txt swin3d_t.csv loss_curves.txt static_frames.csv feed_gpu.txt mask_speed.txt)
declare -A limits=([albar_step.txt]=150 [swin3d_t.csv]=300 [loss_curves.txt]=150 [static_frames.csv]=180
    [feed_gpu.txt]=90 [mask_speed.txt]=60)

if [ -n "${TINY:-}" ]; then
    decoders=0 epochs=1 curve_epochs=2 curve_videos=16 statics="4" precision=float32 batches="2"
    render="--size 32 --frames 8 --train 32 --test 8"
    step="--frames 4 --size 32 --steps 1 --static-frames 2 --videos 4 --workers 1"
    feed="--tiny"
    masks="--sources tiny --frames 4"
    small='s/^batch = .*/batch = 4/; s/^frames = .*/frames = 4/; s/^size = .*/size = 32/; s/^resize = .*/resize = 32/
           s/^precision = .*/precision = "float32"/; s/^model = .*/model = "small3d"/'
    for name in "${names[@]}"; do limits[$name]=1800; done
    MINUTES=${MINUTES:-60}
else
    decoders=8 epochs=${EPOCHS:-12} curve_epochs=4 curve_videos=1024 statics="8 16" precision=tf32 batches=${BATCHES:-16 8 4}
    render="--size 128 --frames 32 --train ${TRAIN:-2048} --test 256"
    step="--frames 16 --size 112 --steps 10 --static-frames 2 8 --bf16 --compile --videos 320"
    feed=""
    masks="--half --sources vit_b vit_h maskrcnn --frames 32"
    small=
fi

bench() { "$python" -m albar_bench "$@"; }
script() { "$python" "perf/$1.py" "${@:2}"; }

# Videos, and the benchmarks on which all networks are scored.
data() {
    local scuba=$work/data/benchmarks/synthactions-scuba-stripes
    [ -f "$work/data/complete" ] && return
    sed -e "s/^epochs = .*/epochs = $epochs/" -e "$small" perf/gpu_table.toml > "$config" &&
        bench data render $render &&
        bench build scuba --dataset synthactions --root "$root" --split test --per-video 1 --out "$scuba" &&
        bench build scufo --from "$scuba" --out "${scuba/scuba/scufo}" &&
        bench build conflfg --from "$scuba" --out "${scuba/scuba/conflfg}" &&
        touch "$work/data/complete"
}

# The clips that fit are tried from above, since the published step keeps two graphs and their second derivatives.
step_albar_step_txt() {
    local n
    [ -n "${TINY:-}" ] || script table --only step --markdown || return
    for n in $batches; do
        script albar_step --device "$device" --model swin3d_t --classes 8 --batch "$n" $step && return
        echo "batch $n does not run"
    done
    return 1
}

step_swin3d_t_csv() {
    local name table=$work/compare/compare.csv
    data || return
    # One method after the other, so that a stop costs at most one of them.
    for name in "albar baseline" "albar baseline stillmix" "albar baseline stillmix fame"; do
        bench compare --methods $name --seeds 1 --jobs 1 --config "$config" --device "$device" --out "$work/compare" &&
            cp "$table" "$results/swin3d_t.csv.partial" || return
    done
    mv "$results/swin3d_t.csv.partial" "$results/swin3d_t.csv"
}

# ALBAR of the table once more, with other numbers of still frames.
step_static_frames_csv() {
    local n out=$work/static/results
    data && [ -f "$work/compare/runs/albar-s0/model.ckpt" ] || return
    bench eval "$work/compare/runs/albar-s0/model.ckpt" --method "albar, 2 still frames" --device "$device" \
        --workers $decoders --out "$out" || return
    for n in $statics; do
        bench train albar --config "$config" --root "$root" --set static_frames=$n --device "$device" \
            --out "$work/static/$n" &&
            bench eval "$work/static/$n/model.ckpt" --method "albar, $n still frames" --device "$device" \
                --workers $decoders --out "$out" &&
            cp "$out/leaderboard.csv" "$results/static_frames.csv.partial" || return
    done
    mv "$results/static_frames.csv.partial" "$results/static_frames.csv"
}

# With a penalty, so that the double backward is among what bf16 must get right.
step_loss_curves_txt() {
    local fast=bf16
    local run=(bench train albar --config "$config" --root "$root" --set gp=0.01 --device "$device"
        --epochs $curve_epochs --limit $curve_videos)
    data &&
        "${run[@]}" --precision $precision --out "$work/curves/$precision" &&
        "${run[@]}" --precision $fast --out "$work/curves/$fast" &&
        "${run[@]}" --precision $precision --seed 1 --out "$work/curves/$precision-seed1" &&
        script loss_curves "$work/curves/$precision" "$work/curves/$fast" "$work/curves/$precision-seed1"
}

step_feed_gpu_txt() {
    script feed_gpu $feed ${CLIPS:+"$CLIPS"}
}

step_mask_speed_txt() {
    script mask_speed --device "$device" $masks
}

if [ -n "${GPU_TABLE_STEP:-}" ]; then # the second process, which `timeout` stops
    "step_${GPU_TABLE_STEP//[.-]/_}"
    exit
fi

began=$SECONDS total=$((60 * ${MINUTES:-13})) failed=0
mkdir -p "$results"
summary=$results/summary.txt
say() { echo "$*" | tee -a "$summary"; }
say "$(date -u +%FT%TZ) $(nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2> /dev/null ||
    echo 'no GPU'), $(nproc --all) cores, $("$python" -c 'import platform, torch; print("Python", platform.python_version(),
    "torch", torch.__version__)' 2>&1 | tail -1)"
for name in "${names[@]}"; do
    left=$((total - SECONDS + began)) limit=${limits[$name]} step_began=$SECONDS
    if [ -s "$results/$name" ]; then
        say "$name: is there already"
        continue
    fi
    if [ $left -lt 15 ]; then
        say "$name: not made, no time is left; run the same command again"
        failed=1
        continue
    fi
    [ $limit -gt $left ] && limit=$left
    echo "== $name, at most $limit seconds"
    GPU_TABLE_STEP=$name timeout --kill-after=15 "$limit" bash "$self" "$work" 2>&1 | tee "$work/$name.log"
    status=${PIPESTATUS[0]} took=$((SECONDS - step_began))
    if [ "$status" = 0 ]; then
        # A step that makes no file of its own is what it printed.
        [ -s "$results/$name" ] || cp "$work/$name.log" "$results/$name"
        rm -f "$results/$name.partial"
        say "$name: made in $took seconds"
        continue
    fi
    failed=1
    [ -s "$results/$name.partial" ] || cp "$work/$name.log" "$results/$name.partial"
    if [ "$status" = 124 ] || [ "$status" = 137 ]; then
        why="stopped after $took seconds"
    else
        why="failed after $took seconds: $(tr '\r' '\n' < "$work/$name.log" | grep '[a-z]' | tail -1 | cut -c1-300)"
    fi
    say "$name: $why; run the same command again to go on"
done
exit $failed

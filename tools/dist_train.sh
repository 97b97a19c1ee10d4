#!/usr/bin/env bash
# Train on several GPUs of one or more machines:
#   tools/dist_train.sh CONFIG GPUS [arguments of tools/train.py]
# NNODES, NODE_RANK, MASTER_ADDR and PORT describe several machines.
set -euo pipefail
config=${1:?usage: $0 CONFIG GPUS [arguments of tools/train.py]}
gpus=${2:?usage: $0 CONFIG GPUS [arguments of tools/train.py]}

python -m torch.distributed.run \
    --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" --nproc_per_node="$gpus" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29500}" \
    "$(dirname "$0")/train.py" "$config" --launcher pytorch "${@:3}"

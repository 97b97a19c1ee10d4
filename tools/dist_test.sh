#!/usr/bin/env bash
# Test on several GPUs of one or more machines:
#   tools/dist_test.sh CONFIG CHECKPOINT GPUS [arguments of tools/test.py]
# NNODES, NODE_RANK, MASTER_ADDR and PORT describe several machines.
set -euo pipefail
config=${1:?usage: $0 CONFIG CHECKPOINT GPUS [arguments of tools/test.py]}
checkpoint=${2:?usage: $0 CONFIG CHECKPOINT GPUS [arguments of tools/test.py]}
gpus=${3:?usage: $0 CONFIG CHECKPOINT GPUS [arguments of tools/test.py]}

python -m torch.distributed.run \
    --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" --nproc_per_node="$gpus" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29500}" \
    "$(dirname "$0")/test.py" "$config" "$checkpoint" --launcher pytorch "${@:4}"

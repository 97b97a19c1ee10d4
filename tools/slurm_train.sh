#!/usr/bin/env bash
# Train on a Slurm cluster:
#   GPUS=8 tools/slurm_train.sh PARTITION JOB_NAME CONFIG [arguments of tools/train.py]
# GPUS_PER_NODE, CPUS_PER_TASK and SRUN_ARGS go to srun.
set -euo pipefail
usage="usage: $0 PARTITION JOB_NAME CONFIG [arguments of tools/train.py]"
partition=${1:?$usage}
job=${2:?$usage}
config=${3:?$usage}
gpus=${GPUS:-4}
per_node=${GPUS_PER_NODE:-$((gpus < 8 ? gpus : 8))}

# shellcheck disable=SC2086
srun --partition="$partition" --job-name="$job" --ntasks="$gpus" \
    --ntasks-per-node="$per_node" --gres="gpu:$per_node" \
    --cpus-per-task="${CPUS_PER_TASK:-5}" --kill-on-bad-exit=1 ${SRUN_ARGS:-} \
    python -u "$(dirname "$0")/train.py" "$config" --launcher slurm "${@:4}"

#!/usr/bin/env bash
# The whole of symbol tuning on a tiny model, with the commands one would type:
# pretrain, instruction-tune (the baseline), symbol-tune, evaluate, report.
#
#   launch/quickstart.sh [--dry_run] [FOLDER [FLAG…]]
#
# FOLDER is runs/quickstart by default; flags, such as --gin.RANDOM_SEED=1, are
# passed on to training and evaluation. --dry_run prints the commands, --help
# this.
set -euo pipefail
# shellcheck source=launch/lib/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"
help_if_asked "${@:1:1}"
if [[ ${1-} == --dry_run ]]; then
  dry_run=true
  shift
fi
out=${1:-runs/quickstart}
[[ $out != -* ]] || usage "FOLDER is '$out'; flags come after it"
flags=("${@:2}")
eval_flags=()
for flag in "${flags[@]}"; do
  # What only training reads, evaluation would warn of.
  [[ $flag == --gin.@(BATCH_SIZE|LEARNING_RATE|RANDOM_SEED|TRAIN_STEPS)=* ]] ||
    eval_flags+=("$flag")
done

stage() {
  if [[ $dry_run ]]; then
    execute "${@:3}"
    return
  fi
  printf '\n\033[1m[%s] %s\033[0m (%dm%02ds so far)\n$ %s\n' \
    "$1" "$2" $((SECONDS / 60)) $((SECONDS % 60)) "${*:3}"
  "${@:3}"
}

stage 1/5 'Pretraining a tiny decoder on the text of a tiny world' \
  python -m symbol_tuning.train \
  --gin_file=experiments/quickstart_pretrain.gin \
  --gin.MODEL_DIR="'$out/pretrained'" "${flags[@]}"

stage 2/5 'Instruction tuning: the baseline' \
  python -m symbol_tuning.train \
  --gin_file=experiments/quickstart_instruction_tune.gin \
  --gin.MODEL_DIR="'$out/baseline'" \
  --gin.INITIAL_CHECKPOINT_PATH="'$out/pretrained'" "${flags[@]}"

stage 3/5 'Symbol tuning the baseline' \
  python -m symbol_tuning.train \
  --gin_file=experiments/quickstart_symbol_tune.gin \
  --gin.MODEL_DIR="'$out/symbol_tuned'" \
  --gin.INITIAL_CHECKPOINT_PATH="'$out/baseline'" "${flags[@]}"

stage 4/5 'Evaluating both on the datasets that were never tuned on' \
  python -m symbol_tuning.eval \
  --gin_file=experiments/quickstart_eval.gin \
  --gin.EVAL_OUTPUT_DIR="'$out/eval'" \
  --gin.CHECKPOINT_PATH="{'baseline': '$out/baseline', 'symbol_tuned': '$out/symbol_tuned'}" \
  "${eval_flags[@]}"

stage 5/5 'Report' \
  python -m symbol_tuning.report \
  "$out/eval" --output_dir="$out/report" --note="The tiny world: every dataset\
 is a stand-in of made-up words, a handful of them for each class; no number\
 here says anything about real language. See symbol_tuning/data/datasets/synthetic.py."

[[ $dry_run ]] || printf '\nDone in %dm%02ds.\n' $((SECONDS / 60)) $((SECONDS % 60))

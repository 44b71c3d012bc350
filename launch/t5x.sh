#!/usr/bin/env bash
# Makes an installation in which T5X runs the files of gin/t5x/.
#
#   launch/t5x.sh [--dry_run] FOLDER
#
# T5X is on no package registry, and what it is made for is older than today's
# JAX. FOLDER gets
#   t5x/    a clone of T5X, at the commit with which this was tried
#   venv/   this package, what T5X imports, and two stand-ins:
#           airio, a data library on no registry: T5X asks whether data are of
#             its classes, and SeqIO's are not;
#           jestimator's optimizer Amos, with PartitionSpec from where JAX now
#             has it, and without the rest that it would install.
#
# $PYTHON (python3) makes the environment; $T5X_URL and $T5X_COMMIT say where T5X
# comes from.
# --dry_run prints the commands, --help this.
set -euo pipefail
# shellcheck source=launch/lib/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"

help_if_asked "$@"
if [[ ${1-} == --dry_run ]]; then
  dry_run=true
  shift
fi
[[ $# == 1 && $1 != -* ]] || usage 'FOLDER is needed, and nothing else'
folder=$1
[[ $dry_run || ! -e $folder/t5x ]] || die "$folder/t5x is there already"
needs git https://git-scm.com

url=${T5X_URL-https://github.com/google-research/t5x}
commit=${T5X_COMMIT-cc342d419ec3e3e9c4bf1df33c82330cafdc1e16}
python=$folder/venv/bin/python

execute mkdir -p "$folder"
execute git clone --quiet "$url" "$folder/t5x"
execute git -C "$folder/t5x" checkout --quiet "$commit"
execute "${PYTHON-python3}" -m venv "$folder/venv"
execute "$python" -m pip install --quiet "$(checkout)" cached_property chex clu \
  fiddle jaxtyping tensorboard tensorflow-text typing_extensions
execute "$python" -m pip install --quiet --no-deps jestimator==0.3.3

# Run by the environment's Python, which knows where packages are.
execute "$python" -c '
import pathlib
import sysconfig

packages = pathlib.Path(sysconfig.get_paths()["purelib"])
amos = packages / "jestimator" / "amos_helper.py"
text = amos.read_text()
old = "from jax.experimental.pjit import PartitionSpec"
assert old in text, f"{amos} is not of the version that was tried"
amos.write_text(text.replace(old, "from jax.sharding import PartitionSpec"))

core = packages / "airio" / "core.py"
core.parent.mkdir()
core.with_name("__init__.py").touch()
core.write_text("""\
# The names of airio that T5X looks at. No data are of these classes.
import types


class DatasetProviderBase:
  pass


class Task(DatasetProviderBase):
  pass


class Mixture(DatasetProviderBase):
  pass


class AirIODatasetIterator:
  pass


dataset_providers = types.SimpleNamespace()
""")
'
[[ $dry_run ]] || printf '%s\n' 'T5X is installed. Call it from its clone:' \
  "  cd $folder/t5x" \
  "  $(cd "$folder" && pwd)/venv/bin/python -m t5x.train \\" \
  "    --gin_search_paths=$(checkout)/gin --gin_file=t5x/quickstart.gin \\" \
  "    --gin.MODEL_DIR=\"'/tmp/t5x'\""

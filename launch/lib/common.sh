# shellcheck shell=bash
# What the launchers share; each begins with its usage, as a comment.
program=$(basename "$0")
dry_run=''

die() { # MESSAGE [STATUS]
  printf '%s: %s\n' "$program" "$1" >&2
  exit "${2-1}"
}

help_text() {
  sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' "$0"
}

usage() { # what is wrong
  help_text >&2
  die "$1" 2
}

# Help is what was asked for, so it is no error.
help_if_asked() {
  local argument
  for argument in "$@"; do
    case $argument in
      --) return ;;
      --help | -h)
        help_text
        exit 0
        ;;
    esac
  done
}

quoted() {
  local words
  printf -v words '%q ' "$@"
  printf %s "${words% }"
}

# Runs a command; in a dry run, prints it so that it can be pasted.
execute() {
  if [[ $dry_run ]]; then
    quoted "$@"
    echo
  else
    "$@"
  fi
}

needs() { # PROGRAM WHERE-IT-IS-FROM
  [[ $dry_run ]] || command -v "$1" >/dev/null ||
    die "$1 is not installed: $2"
}

is_number() {
  [[ $1 =~ ^[1-9][0-9]*$ ]] || usage "'$1' is no number"
}

is_name() {
  [[ $1 =~ ^[a-z][a-z0-9-]*$ ]] ||
    usage "NAME is '$1'; it is made of small letters, digits and -"
}

checkout() {
  (CDPATH='' cd -- "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
}

warn_of_changes() { # what is made of the commit
  [[ ! $(git -C "$(checkout)" status --porcelain --untracked-files=no) ]] ||
    echo "$program: what is not committed is not $1" >&2
}

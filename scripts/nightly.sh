#!/usr/bin/env bash
# A night: an experiment is run and held against the last good night, and its latencies against the nights before, so
# that what one comparison missed is still found; what came out is kept. For cron and for CI.
#
#   scripts/nightly.sh [EXPERIMENT [key=value ...]]   EXPERIMENT: a name of conf/experiment; default: nightly
#   scripts/nightly.sh accept EXPERIMENT [NIGHT]      take a night as it is (default: the newest) for the new baseline
#
# NIGHTLY_HOME       where everything is kept; default: the folder nightly of the checkout
#                      cache/                          conversions, for all experiments
#                      EXPERIMENT/results/NIGHT/       records, samples, predictions, logs
#                      EXPERIMENT/reports/NIGHT/       summary.md, compare.*, history.*, tables and page
#                      EXPERIMENT/last_good            the night that the next one is held against
#                      EXPERIMENT/since                the oldest night of the history: what was accepted last
# key=value, for the harness, comes after the experiment's own; paths in it count from the checkout.
# NIGHTLY_KEEP       nights that are kept besides the last good one; default: 60
# NIGHTLY_CACHE_GIB  what the cache is pruned to; default: 20
# PYTHON             default: .venv/bin/python of the checkout, else python3
#
# After an upgrade on one machine latencies are compared all the same, but the old ones cannot be measured again: a
# slow-down counts from a tenth on there, and stays until it is gone or the night is accepted.
#
# On a machine of one's own cache and baseline are still there from the night before; CI brings NIGHTLY_HOME back.
# Exit code: 0 nothing got worse, 1 something did, 2 the night could not be done or judged; more: that of a harness that
# was killed.
set -Eeuo pipefail
trap 'fail "stopped by an error in line $LINENO"' ERR

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=${PYTHON:-}
if [[ -z $python ]]; then
  python=python3
  if [[ -x $root/.venv/bin/python ]]; then python=$root/.venv/bin/python; fi
fi
keep=${NIGHTLY_KEEP:-60}
cache_gib=${NIGHTLY_CACHE_GIB:-20}
home=${NIGHTLY_HOME:-$root/nightly}

main() {
  local action=run
  if [[ ${1:-} == accept ]]; then
    action=accept
    shift
    if [[ $# == 0 ]]; then fail "accept: say which experiment"; fi
  fi
  experiment=${1:-nightly}
  if [[ $# -gt 0 ]]; then shift; fi
  check_words
  mkdir -p "$home/$experiment" || fail "$home cannot be used; move it with NIGHTLY_HOME"
  home=$(cd "$home" && pwd)
  state=$home/$experiment
  cd "$root"
  exec 9>"$home/.lock"
  flock --nonblock 9 || fail "another night is under way in $home"
  "$action" "$@"
}

fail() {
  printf 'nightly: %s\n' "$1" >&2
  exit 2
}

check_words() {
  if [[ ! $experiment =~ ^[A-Za-z0-9][A-Za-z0-9_-]*$ ]]; then fail "'$experiment' is no name of an experiment"; fi
  if [[ ! $keep =~ ^[0-9]+$ ]]; then fail "NIGHTLY_KEEP: '$keep' is no number of nights"; fi
  if [[ ! $cache_gib =~ ^[0-9]+([.][0-9]+)?$ ]]; then fail "NIGHTLY_CACHE_GIB: '$cache_gib' is no size"; fi
}

harness() {
  "$python" -m harness "$@" 9>&-
}

run() {
  local base code=0 verdict=0
  night=$experiment-$(date -u +%Y%m%d-%H%M%S)
  out=$state/reports/$night
  base=$(baseline)
  harness "+experiment=$experiment" "run_id=$night" "results_dir=$state/results" "reports_dir=$state/reports" \
    "cache_dir=$home/cache" "$@" || code=$?
  if [[ $code -gt 2 ]]; then exit "$code"; fi
  if [[ ! -s $state/results/$night/records.jsonl ]]; then fail "the run has left no record"; fi
  mkdir -p "$out"
  judge "$base" || verdict=$?
  look_back || worse $?
  worse "$code"
  if [[ $verdict -gt 2 ]]; then verdict=2; fi
  if [[ $verdict == 0 ]]; then remember "$night"; fi
  prune
  summarize "$base" "$verdict"
  exit "$verdict"
}

# Raise the verdict of the night to a code.
worse() {
  if [[ $1 -gt $verdict ]]; then verdict=$1; fi
}

# Print the name of the last good night; nothing when there is none, or when it is lost.
baseline() {
  local name=
  if [[ -f $state/last_good ]]; then read -r name <"$state/last_good" || true; fi
  if [[ -z $name ]]; then return; fi
  if [[ $name == */* || ! -s $state/results/$name/records.jsonl ]]; then
    printf 'nightly: the last good night %q is lost: nothing is compared\n' "$name" >&2
    return
  fi
  printf '%s' "$name"
}

# Hold this night against the last good one. Exit code: that of compare; 0 when there is nothing to hold it against.
judge() {
  if [[ -z $1 ]]; then return 0; fi
  harness compare "$state/results/$1" "$state/results/$night" --confirm --across-versions \
    --markdown "$out/compare.md" --json "$out/compare.json" --junit "$out/compare.xml"
}

# Hold the latencies of this night against those of the nights before, as far back as something was accepted.
look_back() {
  local since='' names name nights=()
  if [[ -f $state/since ]]; then read -r since <"$state/since" || true; fi
  mapfile -t names < <(cd "$state/results" && printf '%s\n' "$experiment"-*/ | sort)
  for name in "${names[@]%/}"; do
    if [[ ! $name < $since && -s $state/results/$name/records.jsonl ]]; then nights+=("$state/results/$name"); fi
  done
  harness history "${nights[@]}" --confirm \
    --markdown "$out/history.md" --json "$out/history.json" --page "$out/history.html"
}

remember() {
  printf '%s\n' "$1" >"$state/last_good.new"
  mv "$state/last_good.new" "$state/last_good"
}

# Write summary.md, and give it to GitHub's page of the job where there is one.
summarize() {
  local words=("nothing got worse" "something got worse" "the night could not be done or judged as a whole")
  {
    printf '# %s: %s\n\n' "$night" "${words[$2]}"
    if [[ -f $out/compare.md ]]; then
      cat "$out/compare.md"
    elif [[ -n $1 ]]; then
      printf 'It could not be held against %s.\n' "$1"
    else
      printf 'There was no good night to hold it against.\n'
    fi
    printf '\n'
    if [[ -f $out/history.md ]]; then cat "$out/history.md"; else printf 'The history could not be looked at.\n'; fi
    if [[ $2 == 0 ]]; then
      printf '\nThe next night is held against this one.\n'
    else
      printf '\nThe next night is held against %s. ' "${1:-nothing}"
      printf 'To take this one as it is: %s\n' "\`scripts/nightly.sh accept $experiment $night\`"
    fi
  } >"$out/summary.md"
  if [[ -n ${GITHUB_STEP_SUMMARY:-} ]]; then cat "$out/summary.md" >>"$GITHUB_STEP_SUMMARY"; fi
  printf 'summary: %s\n' "$out/summary.md"
}

# Remove the oldest nights, never the last good one, and what the cache has not used for longest.
prune() {
  local good names name
  good=$(baseline 2>/dev/null)
  mapfile -t names < <(cd "$state/results" && printf '%s\n' "$experiment"-*/ | sort --reverse)
  for name in "${names[@]:keep}"; do
    name=${name%/}
    if [[ $name == "$good" || $name == "$night" || ! -d $state/results/$name ]]; then continue; fi
    rm -rf "${state:?}/results/$name" "${state:?}/reports/$name"
  done
  harness cache prune --dir "$home/cache" --max-gib "$cache_gib" || printf 'nightly: the cache was not pruned\n' >&2
}

accept() {
  local name=${1:-}
  if [[ -z $name ]]; then
    name=$(cd "$state" && printf '%s\n' results/"$experiment"-*/ | sort | tail -n 1)
    name=$(basename "$name")
  fi
  if [[ $name == */* || ! -s $state/results/$name/records.jsonl ]]; then
    fail "there is no night '$name' in $state/results"
  fi
  remember "$name"
  printf '%s\n' "$name" >"$state/since"
  printf 'the next night of %s is held against %s\n' "$experiment" "$name"
}

main "$@"

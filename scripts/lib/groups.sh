# shellcheck shell=bash
# Commands as process groups of their own, so that a signal to the script is handled at once (bash would first wait for a
# foreground command) and ends all of them: sourced, never run.
#
#   run <command…>   in a group, and waits for it
#   group_end        asks the group that runs, if one does, and kills it after 30 s; for a trap on EXIT

group=''

run() {
  set -m
  "$@" </dev/null &
  group=$!
  set +m
  wait "$group"
  kill -KILL -- "-$group" 2>/dev/null || true # should it have left something running
  group=''
}

group_end() {
  local i
  [[ $group ]] || return 0
  kill -TERM -- "-$group" 2>/dev/null
  # nextest gives its tests 10 s before it kills them, and only it knows their process groups.
  for ((i = 0; i < 300; i++)); do
    kill -0 -- "-$group" 2>/dev/null || break
    sleep 0.1
  done
  kill -KILL -- "-$group" 2>/dev/null
}

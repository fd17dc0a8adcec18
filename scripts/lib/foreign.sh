# shellcheck shell=bash
# Somebody else's Python packages for the tests, each list in a folder of its own: sourced, never run. The caller has set `root`.
#
#   foreign_install <folder> <pip's arguments…>   makes the folder anew when the arguments, or a file of them, have changed

foreign_install() {
  local folder=$1 wanted argument
  shift
  wanted=$(for argument in "$@"; do echo "$argument"; if [[ -f $argument ]]; then cat "$argument"; fi; done)
  if [[ $(cat "$folder/packages" 2>/dev/null) == "$wanted" ]]; then return 0; fi
  rm -rf "$folder"
  if ! python3 -m venv "$folder"; then
    echo "python3 cannot make a virtual environment: install python3-venv" >&2
    return 1
  fi
  "$folder/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
  echo "$wanted" >"$folder/packages"
}

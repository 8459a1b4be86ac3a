# shellcheck shell=bash
# What the other scripts share. Sourced, never run.

die() {
    echo "${0##*/}: $*" >&2
    exit 1
}

# apt_install PACKAGE...
apt_install() {
    command -v apt-get >/dev/null || die "please install: $* (no apt-get here to do it)"
    local as_root=()
    ((EUID == 0)) || as_root=(sudo)
    echo "installing: $*" >&2
    {
        "${as_root[@]}" apt-get update -qq
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
    } >&2
}

# need COMMAND=PACKAGE... installs the packages whose command is missing, in one go.
need() {
    local pair missing=()
    for pair in "$@"; do
        command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}")
    done
    ((${#missing[@]} == 0)) || apt_install "${missing[@]}"
}

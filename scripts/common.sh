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

# in_memory PATH prints the folder in memory that stands for this one on disk. Fails where there is too little room.
in_memory() {
    local free
    free=$(df --output=avail --block-size=1M /dev/shm 2>/dev/null | tail -n 1)
    ((${free:-0} >= 3072)) && echo "/dev/shm/tradepost-$(cksum <<<"$1" | cut -d ' ' -f 1)"
}

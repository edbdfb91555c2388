# Sourced: install_packages LIST... installs what is missing of the packages the list files name.
install_packages() {
    local missing=() name
    while read -r name; do
        case $name in '' | '#'*) continue ;; esac
        dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null | grep -qx installed || missing+=("$name")
    done < <(cat "$@")
    [ ${#missing[@]} -eq 0 ] && return 0
    echo "Installing ${#missing[@]} Debian packages: ${missing[*]}"
    local root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || { echo "These packages need root: apt-get install ${missing[*]}" >&2; return 1; }
        root=(sudo)
    fi
    "${root[@]}" apt-get update -q -o DPkg::Lock::Timeout=900 >/dev/null || {
        echo "apt-get update failed: is a Debian 12 mirror reachable (/etc/apt/sources.list)?" >&2
        return 1
    }
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
        -o DPkg::Lock::Timeout=900 "${missing[@]}" >"${TMPDIR:-/tmp}/kaigi-install.log" 2>&1 || {
        tail -20 "${TMPDIR:-/tmp}/kaigi-install.log" >&2
        echo "apt-get could not install the packages above." >&2
        return 1
    }
}

# shellcheck shell=bash
# Where commands run: on this system when it has GIMP 3 in its packages, else inside a
# Debian 13 root that is built once in the user's cache. Sourced by the scripts beside it.
#
#   environment_run LIST… -- CMD…   replaces the shell by CMD, with the packages of the
#                                   files packages/LIST at hand
#   cache_folder                    prints our folder in the user's cache
#
# SPDX-License-Identifier: GPL-3.0-or-later

set -euo pipefail

dev_folder=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
repo=$(dirname "$dev_folder")
suite=trixie
root_format=1 # part of a root's name: raise it when roots must be built anew

say()
{
    printf 'dev/%s: %s\n' "$(basename "$0")" "$*" >&2
}

die()
{
    say "$@"
    exit 1
}

cache_folder()
{
    local base=${XDG_CACHE_HOME:-}

    # The XDG rules: a relative path is invalid and ignored.
    case $base in
    /*) ;;
    *) base=${HOME:?HOME is not set}/.cache ;;
    esac
    printf '%s/gimp-sdedit\n' "$base"
}

list_packages()
{
    local list

    for list; do
        sed 's/#.*//' "$dev_folder/packages/$list"
    done | tr -s ' \t' '\n' | sed '/^$/d' | LC_ALL=C sort -u
}

# ---- the system itself ---------------------------------------------------------------

# True on a distribution that has libgimp 3.0 in its packages.
system_has_gimp3()
{
    local ID='' VERSION_ID='' VERSION_CODENAME=''

    # shellcheck disable=SC1091
    [ -r /etc/os-release ] && . /etc/os-release
    case $ID in
    debian) dpkg --compare-versions "${VERSION_ID:-999}" ge 13 ;; # testing has no number
    ubuntu) dpkg --compare-versions "${VERSION_ID:-0}" ge 25.04 ;;
    *) command -v pkg-config >/dev/null && pkg-config --exists gimpui-3.0 ;;
    esac
}

missing_packages()
{
    local package

    command -v dpkg-query >/dev/null || return 0 # not a Debian: meson will say what lacks
    for package in $(list_packages "$@"); do
        dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null |
            grep -qx installed || printf '%s\n' "$package"
    done
}

apt_install()
{
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=1800 -qq -y \
        --no-install-recommends install "$@" >&2 9>&- # a daemon must not keep our lock
}

prepare_system()
{
    local missing

    missing=$(missing_packages "$@")
    [ -n "$missing" ] || return 0
    # shellcheck disable=SC2086
    set -- $missing
    if [ "$(id -u)" -ne 0 ]; then
        say "packages are missing; install them with:"
        printf '\n    sudo apt-get install --no-install-recommends %s\n\n' "$*" >&2
        exit 1
    fi
    (
        take_lock /run/lock/gimp-sdedit-apt.lock
        say "installing: $*"
        apt-get -qq update >&2
        apt_install "$@"
    )
}

# ---- a Debian root in the cache ------------------------------------------------------

# Holds the lock on file $1 until the calling (sub)shell and its children end.
take_lock()
{
    exec 9>"$1"
    flock -n 9 || { say "another call is setting up; waiting for it" && flock 9; }
}

# The Debian mirror apt is configured with, nothing if it has none (mmdebstrap then takes
# its own default); third-party archives have other origins, releases or components.
find_mirror()
{
    local codename uri

    # shellcheck disable=SC1091
    codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
    # shellcheck disable=SC2016 # apt's variables
    uri=$(apt-get indextargets \
        --format '$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN)' \
        'Identifier: Packages' 2>/dev/null |
        awk -v release="$codename" '
            $2 == release && $3 == "main" && ($4 == "Debian" || $4 ~ /^\$/ || $4 == "") {
                good = $1 ~ /\/debian\/?$/
                if (!found || good > best) { found = $1; best = good }
            }
            END { print found }')
    case $uri in
    mirror+file:*) uri=$(awk '/^[a-z]+:/ { print $1; exit }' "${uri#mirror+file:}") ;;
    esac
    # Only Debian's own mirrors have Debian 13; an Ubuntu machine's have not.
    case $(. /etc/os-release && printf '%s' "$ID"):$uri in
    debian:http*) printf '%s\n' "$uri" ;;
    esac
}

# apt's own network settings (proxies, timeouts, retries) as lines of apt.conf.
apt_network_settings()
{
    apt-config dump |
        grep -iE '^Acquire::((https?)::[^"]*|Retries|ForceIPv[46]) "[^"]+";$' || true
}

root_folder() # LIST…
{
    local hash

    hash=$({ echo "$root_format $suite"; list_packages "$@"; } | sha256sum | cut -c1-12)
    printf '%s/root-%s-%s\n' "$(cache_folder)" "${!#}" "$hash"
}

need_root_rights()
{
    [ "$(id -u)" -eq 0 ] && return 0
    die "this system has no GIMP 3 in its packages, so a Debian 13 root has to be built" \
        "and entered, which needs root here: run it again as root (sudo $0 …)"
}

install_mmdebstrap()
{
    command -v mmdebstrap >/dev/null && return 0
    command -v apt-get >/dev/null ||
        die "no GIMP 3 development files here, and neither apt-get nor mmdebstrap;" \
            "use Debian 13, Ubuntu 25.04 or later, or install libgimp-3.0 yourself"
    say "installing mmdebstrap"
    apt-get -qq update >&2
    apt_install mmdebstrap debian-archive-keyring ||
        die "mmdebstrap is not in this system's packages; use Debian 12 or later"
}

# Builds the root of LIST… once. Whoever holds the lock is the only builder, so anything
# half-built that it finds is a leftover. The finished root appears by one rename.
prepare_root()
{
    local cache folder mirror temporary options=() setting foreign

    cache=$(cache_folder)
    folder=$(root_folder "$@")
    [ -d "$folder" ] && return 0
    need_root_rights
    mkdir -p "$cache"
    (
        take_lock "$cache/lock"
        rm -rf --one-file-system "$cache"/root-*.half
        [ -d "$folder" ] && exit 0
        install_mmdebstrap
        while IFS= read -r setting; do
            options+=("--aptopt=$setting")
        done < <(apt_network_settings)
        foreign=$(list_packages "$@" | sed -n 's/.*://p' | sort -u | paste -sd,)
        [ -z "$foreign" ] ||
            options+=("--architectures=$(dpkg --print-architecture),$foreign")
        temporary=$folder.half
        mirror=$(find_mirror)
        say "building a Debian 13 root in $folder (once; takes some minutes)"
        # shellcheck disable=SC2016 # the hook's $1
        mmdebstrap --mode=root --variant=minbase --components=main "${options[@]}" \
            --include="$(list_packages "$@" | paste -sd,)" \
            --customize-hook='printf "[safe]\n\tdirectory = *\n" >"$1/etc/gitconfig"' \
            "$suite" "$temporary" ${mirror:+"$mirror"} >"$cache/build.log" 2>&1 || {
            tail -n 20 "$cache/build.log" >&2
            die "the Debian 13 root could not be built; whole log: $cache/build.log"
        }
        sync -f "$temporary"
        mv -T "$temporary" "$folder"
    )
}

# Replaces the shell by CMD inside root $1. Mounts are private: they end with CMD.
enter_root()
{
    local folder=$1
    shift
    need_root_rights
    exec unshare --mount --propagation private -- \
        bash "$dev_folder/enter-root" "$folder" "$repo" "$(cache_folder)" "$@"
}

# ---- both ----------------------------------------------------------------------------

environment_run()
{
    local lists=()

    while [ "$1" != -- ]; do
        lists+=("$1")
        shift
    done
    shift
    if system_has_gimp3; then
        prepare_system "${lists[@]}"
        LC_ALL=C.UTF-8 exec "$@"
    fi
    prepare_root "${lists[@]}"
    enter_root "$(root_folder "${lists[@]}")" "$@"
}

# shellcheck shell=bash
# Sourced inside the environment: lock_folder FOLDER makes FOLDER and lets one call at a time
# work in it; the others wait. The lock is the folder itself, so that emptying the folder does
# not lose it, and ends with the call or with unlock_folder.
#
# SPDX-License-Identifier: GPL-3.0-or-later

lock_folder()
{
    mkdir -p "$1"
    exec 9<"$1"
    flock -n 9 || { echo "waiting for another call that uses $1" >&2 && flock 9; }
}

unlock_folder()
{
    exec 9<&-
}

# shellcheck shell=bash
# Sourced inside the environment: one call at a time works in build/, and the others wait.
# The lock is the folder itself, so that emptying the folder does not lose it.
#
# SPDX-License-Identifier: GPL-3.0-or-later

mkdir -p build
exec 9<build
flock -n 9 || { echo "waiting for another call that uses build/" >&2 && flock 9; }

# shellcheck shell=bash
# Sourced inside the environment: use_profile FOLDER makes GIMP live in FOLDER alone, with
# the plug-in that build/ holds. GIMP wants every path absolute.
#
# SPDX-License-Identifier: GPL-3.0-or-later

use_profile()
{
    local profile=$1

    mkdir -p "$profile"/{home,gimp/plug-ins,temporary,cache,run}
    chmod 700 "$profile/run"
    # The build folder has the tree of an installed plug-in.
    ln -sfn "$PWD/build/plugin/sdedit" "$profile/gimp/plug-ins/sdedit"
    export HOME=$profile/home
    export XDG_CONFIG_HOME=$HOME/.config XDG_DATA_HOME=$HOME/.local/share
    export XDG_CACHE_HOME=$HOME/.cache XDG_RUNTIME_DIR=$profile/run
    export GIMP3_DIRECTORY=$profile/gimp
    export GIMP3_TEMPDIR=$profile/temporary GIMP3_CACHEDIR=$profile/cache
}

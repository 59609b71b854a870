#!/bin/sh
# Completes build/plugin/sdedit so that it looks like an installed plug-in: links to the
# compiled translations and to the model. Run by meson when it configures.
# usage: link-tree.sh SOURCE_ROOT BUILD_ROOT
set -eu
plugin="$2/plugin/sdedit"
mkdir -p "$plugin/models" "$2/po"
ln -sfn ../../po "$plugin/locale"
ln -sfn "$1/models/default" "$plugin/models/default"

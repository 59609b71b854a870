#!/bin/sh
# Completes build/plugin/sdedit so that it looks like an installed plug-in: links to the
# compiled translations, icons, help and the model. Run by meson when it configures.
# usage: link-tree.sh SOURCE_ROOT BUILD_ROOT
set -eu
plugin="$2/plugin/sdedit"
mkdir -p "$plugin/models" "$2/po"
ln -sfn ../../po "$plugin/locale"
for folder in icons help; do
    ln -sfn "$1/data/$folder" "$plugin/$folder"
done
rm -f "$plugin/models/default"
if [ -d "$1/models/default" ]; then
    ln -s "$1/models/default" "$plugin/models/default"
fi

/* Writes the tests' tiny model into the folder that is named on the command line.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>

#include "unit/tiny-model.h"

int
main(int argc, char **argv)
{
    if (argc != 2) {
        return 2;
    }
    tiny_model_write(argv[1]);
    return 0;
}

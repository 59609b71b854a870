/* A fuzz target is libFuzzer's entry point: it may refuse any bytes, but never crash,
 * hang or break a promise it asserts. With clang -fsanitize=fuzzer (meson option
 * `libfuzzer`) libFuzzer calls it; else driver.c does, with a fixed set of mutations.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

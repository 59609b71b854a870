"""The command-line tool as a user meets it. Usage: test-tool.py SDEDIT WRITE_TINY_MODEL

SPDX-License-Identifier: GPL-3.0-or-later
"""

import json
import math
import os
import pty
import random
import select
import signal
import struct
import subprocess
import sys
import tempfile

from pictures import (png_chunks, read_float_tiff, read_png, write_float_tiff, write_png)

TOOL, WRITER = sys.argv[1:3]
DEFAULT_MODEL = os.path.join(os.path.dirname(__file__), "../../models/default")
WIDTH, HEIGHT = 61, 43
HOLE = (20, 12, 35, 30)  # left, top, right, bottom
CANCELLED = 130

folder = tempfile.mkdtemp(prefix="sdedit-tool-")


def path(name):
    return os.path.join(folder, name)


def sdedit(*args, expect=0):
    """Runs the tool; returns what it wrote to stderr."""
    done = subprocess.run([TOOL, *args], capture_output=True, text=True)
    assert done.returncode == expect, "%s: exit code %d, stderr: %s" % (
        " ".join(args), done.returncode, done.stderr)
    return done.stderr


def run(command, *args, **more):
    return sdedit(command, *args, "--model", path("model"), "--threads", "2", **more)


def fails(word, *args, code=1):
    """One line on stderr with `word` in it, and nothing written."""
    before = sorted(os.listdir(folder))
    said = run(*args, expect=code)
    assert said.count("\n") == 1 and said.startswith("sdedit: "), repr(said)
    assert word in said, "'%s' is not in %r" % (word, said)
    assert sorted(os.listdir(folder)) == before, "something was written"


def samples(channels, top, seed=1):
    rng = random.Random(seed)
    return [
        min(top, max(0, round(top * (0.5 + 0.3 * math.sin(x / 9 + y / 7 + c) + rng.gauss(0, 0.05)))))
        for y in range(HEIGHT) for x in range(WIDTH) for c in range(channels)
    ]


def in_hole(i, channels):
    x, y = i // channels % WIDTH, i // channels // WIDTH
    return HOLE[0] <= x < HOLE[2] and HOLE[1] <= y < HOLE[3]


def make_files():
    os.mkdir(path("model"))
    subprocess.run([WRITER, path("model")], check=True)
    for channels in (1, 2, 3, 4):
        write_png(path("u8-%d.png" % channels), WIDTH, HEIGHT, channels, samples(channels, 255))
        write_png(path("u16-%d.png" % channels), WIDTH, HEIGHT, channels,
                  samples(channels, 65535), bits=16)
    values = [4 * v / 255 - 1 for v in samples(3, 255)]
    write_float_tiff(path("float.tif"), WIDTH, HEIGHT, 3, values)
    mask = [255 if in_hole(i, 1) else 0 for i in range(WIDTH * HEIGHT)]
    write_png(path("mask.png"), WIDTH, HEIGHT, 1, mask)
    write_png(path("empty.png"), WIDTH, HEIGHT, 1, [0] * (WIDTH * HEIGHT))
    write_png(path("small.png"), 8, 8, 1, [255] * 64)
    write_png(path("dot.png"), 1, 1, 3, [10, 20, 30])
    rgba = [v for m in mask for v in (m, m, m, 0)]  # transparent: alpha must not matter
    write_png(path("mask-rgba.png"), WIDTH, HEIGHT, 4, rgba)
    with open(path("text.png"), "w") as file:
        file.write("this is not a picture at all\n")
    with open(path("u8-3.png"), "rb") as file, open(path("cut.png"), "wb") as cut:
        cut.write(file.read()[:3000])


# ---- what works -----------------------------------------------------------------------


def test_precision_and_alpha_are_kept():
    for bits, channels in ((8, 1), (8, 4), (16, 2), (16, 3)):
        name = "u%d-%d.png" % (bits, channels)
        said = run("denoise", path(name), path("out.png"), "--sigma", "20")
        assert said == "", said
        before, after = read_png(path(name)), read_png(path("out.png"))
        assert before[:3] == after[:3] and before[4] == after[4], name
        assert before[3] != after[3], name + " did not change"
        if channels in (2, 4):
            assert before[3][channels - 1 :: channels] == after[3][channels - 1 :: channels]
    os.unlink(path("out.png"))


def test_outside_the_mask_every_bit_is_kept():
    for name, mask in (("u8-1.png", "mask.png"), ("u8-3.png", "mask-rgba.png"),
                       ("u8-4.png", "mask.png"), ("u16-3.png", "mask.png")):
        run("inpaint", path(name), path(mask), path("out.png"), "--steps", "2")
        before, after = read_png(path(name)), read_png(path("out.png"))
        for i, (a, b) in enumerate(zip(before[3], after[3])):
            assert a == b or in_hole(i, before[2]), "%s, sample %d" % (name, i)
        assert before[3] != after[3], name + " did not change"
    os.unlink(path("out.png"))


def test_float_tiff_keeps_values_out_of_range():
    run("inpaint", path("float.tif"), path("mask.png"), path("out.tif"), "--steps", "2")
    before, after = read_float_tiff(path("float.tif")), read_float_tiff(path("out.tif"))
    assert before[:3] == after[:3]
    assert max(before[3]) > 1.5 and min(before[3]) < -0.2
    for i, (a, b) in enumerate(zip(before[3], after[3])):
        assert a == b or in_hole(i, 3), "sample %d" % i
        assert not in_hole(i, 3) or -1e-3 <= b <= 1.001
    os.unlink(path("out.tif"))


def test_strength_0_copies():
    for command, extra in (("denoise", []), ("inpaint", [path("mask.png")]), ("restyle", [])):
        run(command, path("u16-4.png"), *extra, path("out.png"), "--strength", "0")
        assert read_png(path("u16-4.png")) == read_png(path("out.png")), command
    os.unlink(path("out.png"))


def test_seed_decides_and_threads_do_not():
    def picture(*args):
        sdedit("restyle", path("u8-3.png"), path("out.png"), "--model", path("model"), "--steps",
               "2", "--style", "blue", "--guidance", "1.5", *args)
        return read_png(path("out.png"))

    first = picture("--seed", "4", "--threads", "1")
    assert first == picture("--seed", "4", "--threads", "3")
    assert first != picture("--seed", "5")
    os.unlink(path("out.png"))


def test_bfloat16_is_as_good_as_float_to_60_dB():
    """With the network that ships; the tiny one is too narrow to be rounded."""
    def paint(command, *options):
        sdedit(command, path("u16-3.png"), path("out.png"), "--model", DEFAULT_MODEL, *options)
        return read_png(path("out.png"))[3]

    for command, *options in (("denoise", "--sigma", "25"),
                              ("restyle", "--style", "etching")):
        exact = paint(command, *options, "--precision", "float")
        usual = paint(command, *options)
        error = sum((a - b) ** 2 for a, b in zip(exact, usual)) / len(exact) / 65535 ** 2
        assert error < 1e-6, "%s: %.1f dB" % (command, -10 * math.log10(error))
        assert usual == paint(command, *options, "--threads", "1"), command
    os.unlink(path("out.png"))


def test_every_way_to_restyle_makes_a_difference():
    def picture(*args):
        run("restyle", path("u16-3.png"), path("out.png"), "--steps", "2", "--seed", "1",
            "--style", "blue", *args)
        return read_png(path("out.png"))

    seen = [picture()]
    for args in (["--second-style", "red"], ["--second-style", "red", "--mix", "0.9"],
                 ["--keep-colors", "1"], ["--keep-structure", "1"], ["--passes", "2"],
                 ["--invert"], ["--detail", "32"], ["--strength", "0.7"]):
        seen.append(picture(*args))
        assert seen[-1] not in seen[:-1], args
    assert picture("--second-style", "red", "--mix", "0") == seen[0]
    os.unlink(path("out.png"))


def restyle_by_default_model(*options):
    sdedit("restyle", path("u16-3.png"), path("out.png"), "--model", DEFAULT_MODEL,
           "--steps", "1", "--seed", "1", *options)
    picture = read_png(path("out.png"))
    os.unlink(path("out.png"))
    return picture


def test_marks_can_be_left_out():
    ink = ["--style", "ink_drawing"]
    assert restyle_by_default_model(*ink) != restyle_by_default_model(*ink, "--marks", "0")


def test_the_model_has_a_style_of_its_own_choice():
    own = restyle_by_default_model()
    assert own == restyle_by_default_model("--style", "oil_painting")
    assert own != restyle_by_default_model("--style", "photo")


def column_steps(width, height, pixels):
    """How far each column is from the one before, over all rows and channels."""
    return [sum(abs(pixels[3 * (y * width + x) + c] - pixels[3 * (y * width + x - 1) + c])
                for y in range(height) for c in range(3)) for x in range(1, width)]


def test_tiles_leave_no_edges():
    width, height, cut = 300, 96, 150
    rng = random.Random(3)
    values = [min(255, max(0, round(128 + 70 * math.sin(x / 17 + c) * math.sin(y / 13)
                                    + rng.gauss(0, 10))))
              for y in range(height) for x in range(width) for c in range(3)]
    write_png(path("wide.png"), width, height, 3, values)

    def paint(seed, tile):  # marks know no tiles, and have edges of their own
        sdedit("restyle", path("wide.png"), path("out.png"), "--style", "oil_painting",
               "--strength", "0.8", "--marks", "0", "--steps", "3", "--tile", tile,
               "--seed", seed, "--model", DEFAULT_MODEL)
        return read_png(path("out.png"))[3]

    def strongest_edge(pixels):
        steps = column_steps(width, height, pixels)
        return max(step / plain for step, plain in zip(steps, whole))

    whole = column_steps(width, height, paint("1", "512"))
    tiled, other = paint("1", "160"), paint("2", "160")
    edge = strongest_edge(tiled)
    assert edge < 1.4, edge
    for y in range(height):  # half of another picture beside it: that is an edge
        row = 3 * width * y
        tiled[row + 3 * cut : row + 3 * width] = other[row + 3 * cut : row + 3 * width]
    assert strongest_edge(tiled) > 2
    for name in ("wide.png", "out.png"):
        os.unlink(path(name))


def test_every_file_type_and_a_single_pixel():
    for name, magic in (("o.JPEG", b"\xff\xd8"), ("o.tiff", b"II")):
        run("denoise", path("u8-3.png"), path(name), "--sigma", "10")
        with open(path(name), "rb") as file:
            assert file.read(2) == magic, name
        run("denoise", path(name), path("again.png"))
        assert read_png(path("again.png"))[:2] == (WIDTH, HEIGHT)
        os.unlink(path(name))
        os.unlink(path("again.png"))
    run("restyle", path("dot.png"), path("o.png"), "--steps", "1")
    assert read_png(path("o.png"))[:3] == (1, 1, 3)
    os.unlink(path("o.png"))


def turn(width, height, pixels, orientation):
    """Pixels as a viewer shows a stored picture with this Exif orientation."""
    rows = [pixels[y * width : (y + 1) * width] for y in range(height)]
    if orientation >= 5:
        rows = [list(column) for column in zip(*rows)]  # transposed
    if orientation in (2, 3, 6, 7):
        rows = [row[::-1] for row in rows]
    if orientation in (3, 4, 7, 8):
        rows = rows[::-1]
    return [pixel for row in rows for pixel in row]


def test_photos_are_turned_upright():
    def read(name):
        run("denoise", path(name), path("o.png"), "--strength", "0")
        width, height, channels, values, _ = read_png(path("o.png"))
        return width, height, list(zip(*[iter(values)] * channels))

    run("denoise", path("u8-3.png"), path("plain.jpg"), "--strength", "0")
    width, height, pixels = read("plain.jpg")
    with open(path("plain.jpg"), "rb") as file:
        jpeg = file.read()
    for orientation in (3, 5, 6, 7, 8):
        ifd = struct.pack(">2sHIHHHIHHI", b"MM", 42, 8, 1, 0x0112, 3, 1, orientation, 0, 0)
        exif = b"Exif\0\0" + ifd
        with open(path("exif.jpg"), "wb") as file:
            file.write(jpeg[:2] + struct.pack(">BBH", 255, 0xE1, len(exif) + 2) + exif + jpeg[2:])
        got = read("exif.jpg")
        assert got[:2] == ((height, width) if orientation >= 5 else (width, height))
        assert got[2] == turn(width, height, pixels, orientation), orientation
    for name in ("plain.jpg", "exif.jpg", "o.png"):
        os.unlink(path(name))


def test_noise_says_what_there_is():
    def noise(*args):
        done = subprocess.run([TOOL, "noise", *args], capture_output=True, text=True)
        assert done.returncode == 0 and not done.stderr, done.stderr
        return done.stdout

    rng = random.Random(3)
    write_png(path("noisy.png"), 150, 100, 3,
              [min(255, max(0, round(128 + rng.gauss(0, 12)))) for _ in range(150 * 100 * 3)])
    said = json.loads(noise("--json", path("noisy.png")))
    assert 10.8 < said["sigma"] < 13.2 and said["correlated"] is False, said
    assert noise(path("noisy.png")).startswith("sigma "), "not for people"
    os.unlink(path("noisy.png"))


def test_output_may_replace_the_input():
    write_png(path("same.png"), WIDTH, HEIGHT, 3, samples(3, 255))
    run("denoise", path("same.png"), path("same.png"), "--sigma", "30")
    assert read_png(path("same.png"))[3] != samples(3, 255)
    os.unlink(path("same.png"))


def test_help_version_and_info():
    for args in (["--help"], ["--version"], ["inpaint", "--help"], ["info", path("model")]):
        done = subprocess.run([TOOL, *args], capture_output=True, text=True)
        assert done.returncode == 0 and done.stdout and not done.stderr, args
    assert "red (default), blue" in done.stdout, done.stdout


# ---- what fails -----------------------------------------------------------------------


def test_wrong_command_lines_say_what_is_wrong():
    out = path("out.png")
    for args in ([], ["paint"], ["--quiet"]):
        said = sdedit(*args, expect=2)
        assert said.count("\n") == 1 and "--help" in said, said
    fails("found 1 argument", "denoise", path("u8-3.png"), code=2)
    fails("found 4 arguments", "inpaint", *["x"] * 4, code=2)
    fails("--sigma is 'much'", "denoise", path("u8-3.png"), out, "--sigma", "much", code=2)
    fails("--strength is 1.5", "restyle", path("u8-3.png"), out, "--strength", "1.5", code=2)
    fails("--strength is -1", "restyle", path("u8-3.png"), out, "--strength", "-1", code=2)
    fails("--fill is 'red'", "inpaint", path("u8-3.png"), path("mask.png"), out, "--fill", "red",
          code=2)
    fails("--memory is 0", "restyle", path("u8-3.png"), out, "--memory", "0", code=2)
    fails("steps", "restyle", path("u8-3.png"), out, "--steps", "many", code=2)


def test_wrong_values_say_what_is_expected():
    out = path("out.png")
    fails("number of steps is 0", "restyle", path("u8-3.png"), out, "--steps", "0")
    fails("noise level is 300", "denoise", path("u8-3.png"), out, "--sigma", "300")
    fails("ddim, ddpm", "restyle", path("u8-3.png"), out, "--sampler", "magic")
    fails("float, mixed, bf16", "restyle", path("u8-3.png"), out, "--precision", "double", code=2)
    fails("red, blue", "restyle", path("u8-3.png"), out, "--style", "green")
    fails("guidance is -2", "restyle", path("u8-3.png"), out, "--guidance", "-2")
    fails("MiB", "restyle", path("u8-3.png"), out, "--memory", "1", "--tile", "256")


def test_wrong_files_are_named():
    out = path("out.png")
    fails("no.png", "denoise", path("no.png"), out)
    assert "no.png" in sdedit("noise", path("no.png"), expect=1)
    assert "found 2 arguments" in sdedit("noise", "x", "y", expect=2)
    fails("not a PNG, JPEG or TIFF", "denoise", path("text.png"), out)
    fails("cut.png", "denoise", path("cut.png"), out)
    fails("61 × 43", "inpaint", path("u8-3.png"), path("small.png"), out)
    fails("mask is empty", "inpaint", path("u8-3.png"), path("empty.png"), out)
    fails("no.png", "inpaint", path("u8-3.png"), path("no.png"), out)
    fails(".png, .jpg or .tif", "denoise", path("u8-3.png"), path("out.webp"))
    fails("nowhere", "denoise", path("u8-3.png"), path("nowhere/out.png"))
    fails("is a folder", "denoise", path("u8-3.png"), path("d.png")) if os.mkdir(
        path("d.png")) is None else None
    os.rmdir(path("d.png"))
    said = sdedit("denoise", path("u8-3.png"), out, "--model", path("none"), expect=1)
    assert said.count("\n") == 1 and path("none") in said, said


# ---- on a terminal --------------------------------------------------------------------


def on_terminal(args, when_seen=None):
    """Runs with stderr on a terminal; `when_seen` sends SIGINT once that text is there."""
    own, theirs = pty.openpty()
    child = subprocess.Popen([TOOL, *args], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=theirs)
    os.close(theirs)
    text = ""
    while True:
        try:
            if not select.select([own], [], [], 60)[0]:
                child.kill()
                raise AssertionError("no answer for a minute")
            part = os.read(own, 4096)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        text += part.decode()
        if when_seen is not None and when_seen in text:
            child.send_signal(signal.SIGINT)
            when_seen = None
    os.close(own)
    return child.wait(), text


def test_progress_shows_on_a_terminal_unless_quiet():
    args = ["restyle", path("u8-3.png"), path("out.png"), "--model", path("model"), "--steps", "3"]
    code, text = on_terminal(args)
    assert code == 0 and "step 3 of 3" in text and "100 %" in text, text
    code, text = on_terminal(args + ["--quiet"])
    assert code == 0 and text == "", text
    os.unlink(path("out.png"))


def test_ctrl_c_ends_it_and_leaves_nothing_behind():
    before = sorted(os.listdir(folder))
    code, text = on_terminal(["restyle", path("u8-3.png"), path("out.png"), "--model",
                              path("model"), "--steps", "1000"], when_seen="step 2 of")
    assert code == CANCELLED, code
    assert "cancelled" in text.splitlines()[-1], text
    assert sorted(os.listdir(folder)) == before


def main():
    make_files()
    tests = [(name, f) for name, f in globals().items() if name.startswith("test_")]
    print("1..%d" % len(tests))
    for i, (name, function) in enumerate(tests, 1):
        try:
            function()
            print("ok %d %s" % (i, name[5:]))
        except AssertionError as error:
            print("not ok %d %s" % (i, name[5:]))
            print("# " + str(error).replace("\n", "\n# "))
        sys.stdout.flush()
    subprocess.run(["rm", "-rf", folder], check=True)


main()

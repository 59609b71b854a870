"""What the Python cases share: pictures to start from, calls, and a report of cases.
SPDX-License-Identifier: GPL-3.0-or-later"""

import array
import os
import traceback

import gi

gi.require_version("Gimp", "3.0")
gi.require_version("Gegl", "0.4")
from gi.repository import Gegl, Gimp, Gio  # noqa: E402

Gegl.init(None)
REPORT = open(os.environ["SDEDIT_REPORT"], "w", buffering=1)
WORK = os.environ["SDEDIT_WORK"]
ADD = Gimp.ChannelOps.REPLACE
WIDTH, HEIGHT = 96, 80


class Refused(Exception):
    """A procedure returned an error: its message."""


def case(function):
    """Runs a case at once and reports it; its name is a claim."""
    name = function.__name__
    try:
        function()
        REPORT.write(f"ok {name}\n")
    except Exception:
        why = " | ".join(traceback.format_exc().strip().splitlines()[-4:])
        REPORT.write(f"failed {name}: {why}\n")
    for image in Gimp.get_images():
        image.delete()


def done():
    REPORT.write("done\n")
    REPORT.close()


def new_image(
    base=Gimp.ImageBaseType.RGB,
    precision=Gimp.Precision.U8_NON_LINEAR,
    alpha=True,
    size=(WIDTH, HEIGHT),
    offsets=(0, 0),
    canvas=None,
    profile=None,
):
    """An image with one layer "source" that holds a picture with every kind of value."""
    canvas = canvas or size
    image = Gimp.Image.new_with_precision(canvas[0], canvas[1], base, precision)
    if profile:
        image.set_color_profile(profile)
    layer = new_layer(image, "source", alpha, size, offsets)
    return image, layer


def layer_type(image, alpha):
    gray = image.get_base_type() == Gimp.ImageBaseType.GRAY
    if gray:
        return Gimp.ImageType.GRAYA_IMAGE if alpha else Gimp.ImageType.GRAY_IMAGE
    return Gimp.ImageType.RGBA_IMAGE if alpha else Gimp.ImageType.RGB_IMAGE


def new_layer(image, name, alpha, size, offsets, parent=None, position=0):
    kind = layer_type(image, alpha)
    normal = Gimp.LayerMode.NORMAL
    layer = Gimp.Layer.new(image, name, size[0], size[1], kind, 100, normal)
    layer.set_offsets(*offsets)
    image.insert_layer(layer, parent, position)
    paint(layer, alpha)
    return layer


def paint(layer, alpha):
    """A gradient with texture; with alpha, partly transparent in the upper right corner
    and with color kept under full transparency."""
    width, height = layer.get_width(), layer.get_height()
    values = array.array("f")
    for y in range(height):
        for x in range(width):
            wobble = ((x * 7 + y * 13) % 32) / 64
            opacity = 1.0
            if alpha and x >= width - 16 and y < 16:
                opacity = 0.5 if x < width - 8 else 0.0
            values.extend((x / width, y / height, wobble, opacity))
    buffer = layer.get_buffer()
    rect = Gegl.Rectangle.new(0, 0, width, height)
    buffer.set(rect, "R'G'B'A float", values.tobytes())
    buffer.flush()
    layer.update(0, 0, width, height)


def raw(drawable, rect=None, pixel_format=None):
    """The bytes of a drawable in its own format."""
    buffer = drawable.get_buffer()
    x, y, width, height = rect or (0, 0, drawable.get_width(), drawable.get_height())
    return buffer.get(
        Gegl.Rectangle.new(x, y, width, height), 1.0, pixel_format, Gegl.AbyssPolicy.NONE
    )


def changed_pixels(one, other):
    """Coordinates of the pixels whose bytes differ."""
    a, b = raw(one), raw(other)
    width = one.get_width()
    assert len(a) == len(b) and one.get_height() == other.get_height()
    size = len(a) // (width * one.get_height())
    return [
        (i // size % width, i // size // width)
        for i in range(0, len(a), size)
        if a[i : i + size] != b[i : i + size]
    ]


def select(image, x, y, width, height, feather=0):
    image.select_rectangle(ADD, x, y, width, height)
    if feather:
        Gimp.Selection.feather(image, feather)


def run(task, image, layers, **values):
    """Calls a procedure; (layer, seed), or Refused with the message."""
    procedure = Gimp.get_pdb().lookup_procedure(f"plug-in-sdedit-{task}")
    config = procedure.create_config()
    values.setdefault("run_mode", Gimp.RunMode.NONINTERACTIVE)
    config.set_property("image", image)
    config.set_core_object_array("drawables", layers)
    for name, value in values.items():
        config.set_property(name.replace("_", "-"), value)
    result = procedure.run(config)
    if result.index(0) != Gimp.PDBStatusType.SUCCESS:
        raise Refused(Gimp.get_pdb().get_last_error())
    return result.index(1), result.index(2)


def inpaint(image, layer, **values):
    values = {"steps": 2, "seed": 7, "grow": 0, "feather": 0, **values}
    return run("inpaint", image, [layer], **values)


def state(image):
    """All that an undo step or a change would alter."""
    return (
        [(item.get_id(), item.get_name()) for item in image.get_layers()],
        [item.get_id() for item in image.get_selected_layers()],
        [raw(item) for item in image.get_layers() if not item.is_group()],
        image.is_dirty(),
    )


def refusal(task, image, layers, **values):
    """The message of a call that must fail and must not change the image."""
    image.clean_all()
    before = state(image)
    try:
        run(task, image, layers, **values)
    except Refused as error:
        assert state(image) == before, "the image was changed"
        return str(error)
    raise AssertionError("the call did not fail")

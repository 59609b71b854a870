"""Cases: bad input. Each must fail with a sentence that says what is wrong and what to do,
and leave the image as it was. SPDX-License-Identifier: GPL-3.0-or-later"""

import json
import shutil

from helper import *  # noqa: F403


def expect(message, *parts):
    for part in parts:
        assert part in message, message


def selected_image(**values):
    image, layer = new_image(**values)
    select(image, 20, 20, 30, 30)
    return image, layer


@case
def no_selection_and_no_hole_names_the_quick_mask():
    image, layer = new_image(alpha=False)
    expect(refusal("inpaint", image, [layer]), "nothing to fill", "Quick Mask")


@case
def opaque_layer_with_alpha_has_no_hole():
    image, layer = new_image()
    paint(layer, False)
    expect(refusal("inpaint", image, [layer]), "nothing to fill", "Quick Mask")


@case
def selection_outside_the_layer():
    image, layer = new_image(canvas=(300, 200))
    select(image, 200, 150, 40, 30)
    for task in ("inpaint", "denoise", "restyle"):
        expect(refusal(task, image, [layer]), "outside the layer")


@case
def selection_around_the_layer():
    image, layer = new_image(canvas=(300, 200), offsets=(100, 60))
    select(image, 0, 0, 300, 20)
    image.select_rectangle(Gimp.ChannelOps.ADD, 0, 180, 300, 20)
    for task in ("inpaint", "denoise", "restyle"):
        expect(refusal(task, image, [layer]), "No pixel of this layer is selected")


@case
def wholly_transparent_layer():
    image, layer = new_image()
    layer.edit_clear()
    for task in ("inpaint", "denoise", "restyle"):
        expect(refusal(task, image, [layer]), "transparent")


@case
def group_layer():
    image, _ = selected_image()
    group = Gimp.GroupLayer.new(image, "group")
    image.insert_layer(group, None, 0)
    new_layer(image, "inner", True, (WIDTH, HEIGHT), (0, 0), group, 0)
    expect(refusal("inpaint", image, [group]), "layer group", "inside it")


@case
def layer_mask_and_channel():
    image, layer = selected_image()
    mask = layer.create_mask(Gimp.AddMaskType.WHITE)
    layer.add_mask(mask)
    expect(refusal("inpaint", image, [mask]), "layers only")


@case
def floating_selection():
    image, layer = selected_image()
    floating = Gimp.Selection.float(image, [layer], 5, 5)
    expect(refusal("denoise", image, [floating]), "floating selection")


@case
def more_or_less_than_one_layer():
    image, layer = selected_image()
    other = new_layer(image, "other", True, (WIDTH, HEIGHT), (0, 0))
    expect(refusal("inpaint", image, [layer, other]), "exactly one")
    expect(refusal("inpaint", image, []), "exactly one")


@case
def indexed_image_says_how_to_convert():
    image, layer = selected_image()
    image.convert_indexed(
        Gimp.ConvertDitherType.NONE, Gimp.ConvertPaletteType.GENERATE, 16, False, False, "")
    for task in ("inpaint", "denoise", "restyle"):
        expect(refusal(task, image, [layer]), "indexed", "Mode", "RGB")


@case
def missing_model_folder():
    image, layer = selected_image()
    expect(refusal("inpaint", image, [layer], model="/no/such/folder"), "/no/such/folder")
    expect(refusal("inpaint", image, [layer], model="nobody"), "nobody", "sdedit-models")


@case
def file_instead_of_a_folder():
    image, layer = selected_image()
    path = os.path.join(WORK, "model.ckpt")
    open(path, "wb").write(b"\x80\x02")
    expect(refusal("restyle", image, [layer], model=path), path, "folder")


@case
def empty_model_folder():
    image, layer = selected_image()
    path = os.path.join(WORK, "empty")
    os.mkdir(path)
    expect(refusal("inpaint", image, [layer], model=path), "model", path)


def broken_model(name, change):
    """A copy of the model in which `change` has damaged a file."""
    path = os.path.join(WORK, name)
    shutil.copytree(os.path.join(Gimp.directory(), "sdedit-models", "mine"), path)
    change(path)
    return path


@case
def cut_off_weights():
    def cut(path):
        with open(path + "/unet/diffusion_pytorch_model.safetensors", "r+b") as file:
            file.truncate(1000)

    image, layer = selected_image()
    message = refusal("inpaint", image, [layer], model=broken_model("cut", cut))
    expect(message, "cannot be read", "safetensors")


@case
def configuration_that_is_not_json():
    def spoil(path):
        open(path + "/unet/config.json", "w").write("{ this is no JSON")

    image, layer = selected_image()
    message = refusal("inpaint", image, [layer], model=broken_model("spoilt", spoil))
    expect(message, "cannot be read", "config.json")


@case
def network_of_another_kind():
    def change(path):
        file = path + "/unet/config.json"
        config = json.load(open(file))
        config["_class_name"] = "FluxTransformer2DModel"
        json.dump(config, open(file, "w"))

    image, layer = selected_image()
    message = refusal("inpaint", image, [layer], model=broken_model("flux", change))
    expect(message, "Flux", "another model")


@case
def too_little_memory_tells_numbers():
    image, layer = new_image(size=(600, 500))
    message = refusal("denoise", image, [layer], memory=1, tile_size=512)
    expect(message, "Not enough memory", "smaller", "MiB")


@case
def unknown_style_lists_the_known_ones():
    image, layer = selected_image()
    message = refusal("restyle", image, [layer], second_style="cubism")
    assert "cubism" in message, message
    message = refusal("restyle", image, [layer], style="cubism")
    expect(message, "cubism", "etching")


@case
def interactive_without_a_display():
    image, layer = selected_image()
    interactive = Gimp.RunMode.INTERACTIVE
    expect(refusal("inpaint", image, [layer], run_mode=interactive), "display")


@case
def numbers_out_of_range_do_not_run_as_given():
    procedure = Gimp.get_pdb().lookup_procedure("plug-in-sdedit-inpaint")
    for name, absurd in (
        ("steps", -1), ("steps", 100000), ("strength", 7.5), ("strength", -1.0),
        ("seed", -2), ("grow", -1), ("feather", 99999), ("context", -4), ("eta", 2.0),
        ("threads", -1), ("memory", -5), ("tile-size", -8), ("resample", -1)):
        spec = procedure.find_argument(name)
        assert not spec.minimum <= absurd <= spec.maximum, name


@case
def failed_run_does_not_spoil_the_next():
    image, layer = selected_image()
    refusal("inpaint", image, [layer], model="nobody")
    result, _ = inpaint(image, layer)
    assert changed_pixels(layer, result)


done()

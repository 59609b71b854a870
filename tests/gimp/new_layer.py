"""Cases: where the new layer goes, what it keeps of its source.
SPDX-License-Identifier: GPL-3.0-or-later"""

from helper import *  # noqa: F403


def names(image):
    return [layer.get_name() for layer in image.get_layers()]


@case
def new_layer_is_right_above_its_source():
    image, layer = new_image()
    new_layer(image, "top", True, (WIDTH, HEIGHT), (0, 0))
    new_layer(image, "bottom", True, (WIDTH, HEIGHT), (0, 0), None, 2)
    image.set_selected_layers([layer])
    select(image, 20, 20, 30, 30)
    inpaint(image, layer)
    assert names(image) == ["top", "Inpaint (seed 7, 2 steps)", "source", "bottom"], names(image)


@case
def source_stays_selected():
    image, layer = new_image()
    image.set_selected_layers([layer])
    select(image, 20, 20, 30, 30)
    inpaint(image, layer)
    assert [item.get_name() for item in image.get_selected_layers()] == ["source"]


@case
def new_layer_stays_in_its_group():
    image, outer = new_image()
    group = Gimp.GroupLayer.new(image, "group")
    image.insert_layer(group, None, 0)
    inner = new_layer(image, "inner", True, (WIDTH, HEIGHT), (0, 0), group, 0)
    select(image, 20, 20, 30, 30)
    result, _ = inpaint(image, inner)
    assert result.get_parent() == group
    assert image.get_item_position(result) == 0 and image.get_item_position(inner) == 1


@case
def selection_is_read_at_the_layers_place():
    image, layer = new_image(canvas=(200, 180), offsets=(60, 50))
    select(image, 80, 70, 20, 10)
    result, _ = inpaint(image, layer)
    assert tuple(result.get_offsets())[-2:] == (60, 50)
    changed = changed_pixels(layer, result)
    assert (min(changed), max(x for x, _ in changed), max(y for _, y in changed)) == (
        (20, 20), 39, 29), (min(changed), max(changed))


@case
def layer_beyond_the_canvas_is_kept():
    image, layer = new_image(canvas=(50, 40), offsets=(-20, -10))
    select(image, 0, 0, 50, 40)
    result, _ = inpaint(image, layer, context=8)
    changed = changed_pixels(layer, result)
    assert all(20 <= x < 70 and 10 <= y < 50 for x, y in changed)
    assert (result.get_width(), result.get_height()) == (WIDTH, HEIGHT)


@case
def alpha_is_copied_bit_for_bit():
    image, layer = new_image(precision=Gimp.Precision.U16_NON_LINEAR)
    select(image, 40, 0, 56, 60)
    result, _ = inpaint(image, layer)
    assert raw(result, None, "A u16") == raw(layer, None, "A u16")
    assert changed_pixels(layer, result)


@case
def colors_under_full_transparency_stay():
    image, layer = new_image()
    result, _ = run("denoise", image, [layer], noise_level=50)
    corner = (WIDTH - 8, 0, 8, 16)
    assert raw(result, corner) == raw(layer, corner)


@case
def colors_under_full_transparency_do_not_matter():
    image, layer = new_image(precision=Gimp.Precision.FLOAT_NON_LINEAR)
    first, _ = run("restyle", image, [layer], steps=2, seed=1)
    buffer = layer.get_buffer()
    corner = Gegl.Rectangle.new(WIDTH - 8, 0, 8, 16)
    buffer.set(corner, "R'G'B'A float", array.array("f", [0.9, 0, 0.9, 0] * 128).tobytes())
    buffer.flush()
    second, _ = run("restyle", image, [layer], steps=2, seed=1)
    seen = (0, 0, WIDTH - 8, HEIGHT)
    assert raw(first, seen) == raw(second, seen)


@case
def layer_mask_opacity_and_mode_are_kept():
    image, layer = new_image()
    mask = layer.create_mask(Gimp.AddMaskType.BLACK)
    layer.add_mask(mask)
    layer.set_opacity(40)
    layer.set_mode(Gimp.LayerMode.MULTIPLY)
    paint_mask = array.array("B", range(WIDTH))
    buffer = mask.get_buffer()
    buffer.set(Gegl.Rectangle.new(0, 3, WIDTH, 1), "Y u8", paint_mask.tobytes())
    buffer.flush()
    select(image, 20, 20, 30, 30)
    result, _ = inpaint(image, layer)
    assert raw(result.get_mask()) == raw(mask)
    assert abs(result.get_opacity() - 40) < 0.5
    assert result.get_mode() == Gimp.LayerMode.MULTIPLY


@case
def hidden_source_gives_a_visible_layer():
    image, layer = new_image()
    layer.set_visible(False)
    select(image, 20, 20, 30, 30)
    result, _ = inpaint(image, layer)
    assert result.get_visible() and not layer.get_visible()


@case
def locked_source_is_no_obstacle():
    image, layer = new_image()
    layer.set_lock_content(True)
    layer.set_lock_alpha(True)
    select(image, 20, 20, 30, 30)
    result, _ = inpaint(image, layer)
    assert changed_pixels(layer, result)


@case
def text_layer_gives_a_plain_layer():
    image, _ = new_image()
    font = Gimp.context_get_font()
    text = Gimp.TextLayer.new(image, "Word", font, 30, Gimp.Unit.pixel())
    image.insert_layer(text, None, 0)
    result, _ = run("restyle", image, [text], steps=2, seed=3)
    assert not result.is_text_layer()
    assert raw(result, None, "A u8") == raw(text, None, "A u8")


@case
def seed_makes_a_result_again():
    image, layer = new_image()
    select(image, 20, 20, 30, 30)
    first, seed = inpaint(image, layer, seed=-1)
    assert 0 <= seed < 2**31
    again, seed_again = inpaint(image, layer, seed=seed)
    other, other_seed = inpaint(image, layer, seed=-1)
    assert seed_again == seed and raw(again) == raw(first)
    assert other_seed != seed and raw(other) != raw(first)


@case
def number_of_threads_changes_no_bit():
    image, layer = new_image(precision=Gimp.Precision.FLOAT_NON_LINEAR)
    select(image, 20, 20, 30, 30)
    results = [raw(inpaint(image, layer, threads=n)[0]) for n in (1, 2, 3)]
    assert results[0] == results[1] == results[2]


@case
def transparent_hole_is_filled_without_a_selection():
    image, layer = new_image()
    result, _ = inpaint(image, layer)
    corner = raw(result, (WIDTH - 16, 0, 16, 16), "A u8")
    assert min(corner) == 255, "the hole stayed transparent"
    changed = changed_pixels(layer, result)
    assert all(x >= WIDTH - 16 and y < 16 for x, y in changed)


@case
def selected_hole_is_filled():
    image, layer = new_image()
    select(image, WIDTH - 8, 0, 8, 8)
    result, _ = inpaint(image, layer)
    assert min(raw(result, (WIDTH - 8, 0, 8, 8), "A u8")) == 255
    assert max(raw(result, (WIDTH - 8, 8, 8, 8), "A u8")) == 0


@case
def hard_mask_has_no_partly_changed_pixels():
    image, layer = new_image(alpha=False)
    select(image, 30, 30, 30, 20, feather=10)
    soft, _ = inpaint(image, layer)
    hard, _ = inpaint(image, layer, mask_mode="hard")
    assert len(changed_pixels(layer, hard)) < len(changed_pixels(layer, soft))


@case
def visible_source_sees_all_layers():
    image, layer = new_image(alpha=False)
    top = new_layer(image, "top", False, (20, 20), (10, 10))
    select(image, 40, 40, 20, 20)
    result, _ = inpaint(image, layer, source="visible")
    assert names(image)[1:] == ["top", "source"] and result == image.get_layers()[0]
    assert (result.get_width(), result.get_height()) == (WIDTH, HEIGHT)
    assert raw(result, (10, 10, 20, 20), "R'G'B' u8") == raw(
        top, (0, 0, 20, 20), "R'G'B' u8")


@case
def effects_go_along_with_the_copy():
    image, layer = new_image(alpha=False)
    effect = Gimp.DrawableFilter.new(layer, "gegl:invert-gamma", "")
    layer.append_filter(effect)
    select(image, 20, 20, 30, 30)
    result, _ = inpaint(image, layer)
    assert raw(result, (0, 0, 10, 10)) == raw(layer, (0, 0, 10, 10))
    assert len(result.get_filters()) == 1


@case
def values_used_stay_with_the_layer():
    image, layer = new_image()
    select(image, 20, 20, 30, 30)
    result, _ = inpaint(image, layer, seed=99, steps=3)
    parasite = result.get_parasite("sdedit-parameters")
    text = bytes(parasite.get_data()).decode()
    assert parasite.is_persistent()
    for line in ("procedure=plug-in-sdedit-inpaint", "seed=99", "steps=3", "fill=model"):
        assert line in text, text


@case
def parasite_survives_a_file():
    image, layer = new_image()
    select(image, 20, 20, 30, 30)
    inpaint(image, layer, seed=5)
    file = Gio.File.new_for_path(os.path.join(WORK, "kept.xcf"))
    Gimp.file_save(Gimp.RunMode.NONINTERACTIVE, image, file, None)
    loaded = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, file)
    assert b"seed=5" in bytes(loaded.get_layers()[0].get_parasite("sdedit-parameters").get_data())


@case
def denoise_needs_no_selection_and_estimates():
    image, layer = new_image(alpha=False)
    result, seed = run("denoise", image, [layer])
    assert seed == 0
    assert "estimated" in result.get_name(), result.get_name()
    again, _ = run("denoise", image, [layer])
    assert raw(again) == raw(result)


@case
def no_denoising_strength_changes_nothing():
    image, layer = new_image()
    result, _ = run("denoise", image, [layer], strength=0.0, noise_level=20)
    assert raw(result) == raw(layer)


@case
def restyle_knows_the_models_styles():
    image, layer = new_image(alpha=False)
    plain, seed = run("restyle", image, [layer], steps=2, seed=4)
    etched, _ = run("restyle", image, [layer], steps=2, seed=4, style="etching")
    assert raw(plain) != raw(etched)
    assert etched.get_name() == "Restyle etching (seed 4, 2 steps)"


@case
def every_restyle_argument_reaches_the_engine():
    image, layer = new_image(alpha=False)
    seen = []
    for values in ({}, {"second_style": "etching", "mix": 0.9}, {"keep_colors": 1.0},
                   {"keep_structure": 1.0}, {"passes": 2}, {"invert": True}, {"detail": 24}):
        result, _ = run("restyle", image, [layer], steps=2, seed=4, style="photo", **values)
        seen.append(raw(result))
        assert seen[-1] not in seen[:-1], values
    etched = [raw(run("restyle", image, [layer], steps=2, seed=4, style="etching", marks=m)[0])
              for m in (0.0, 0.5, 1.0)]
    assert len(set(etched)) == 3


@case
def model_is_found_by_name_and_by_path():
    image, layer = new_image()
    select(image, 20, 20, 30, 30)
    folder = os.path.join(Gimp.directory(), "sdedit-models", "mine")
    results = [raw(inpaint(image, layer, model=m)[0]) for m in ("", "mine", folder)]
    assert results[0] == results[1] == results[2]


@case
def quality_chooses_steps_where_none_are_given():
    image, layer = new_image()
    select(image, 20, 20, 30, 30)
    for values, steps in ((dict(quality="fast"), 5), (dict(quality="best"), 25),
                          (dict(quality="best", steps=2), 2)):
        result, _ = run("inpaint", image, [layer], seed=8, **values)
        assert result.get_name() == f"Inpaint (seed 8, {steps} steps)", result.get_name()


@case
def scripts_leave_the_users_last_values_alone():
    image, layer = new_image()
    select(image, 20, 20, 30, 30)
    inpaint(image, layer, steps=3, seed=21)
    last = Gimp.RunMode.WITH_LAST_VALS
    result, seed = run("inpaint", image, [layer], run_mode=last)
    assert result.get_name() == f"Inpaint (seed {seed}, 9 steps)", result.get_name()


done()

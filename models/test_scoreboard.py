#!/usr/bin/env python3
"""Tests of the scoreboard: that its figures can fail. A few seconds, no engine needed."""

import contextlib
import io
import math
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
try:
    import numpy as np
    from PIL import Image

    from scoreboard import camera, filling, holes, inpainters, judge, metrics, noise
    from scoreboard import perceptual, pictures, report, restyling, sheets
    from scoreboard.method import Method, best_setting, probe, run_program
except ImportError as error:
    if __name__ != "__main__":
        raise unittest.SkipTest(f"scoreboard: {error.name} is missing") from error
    print(f"skipped: {error.name} is missing")
    sys.exit(77)

NO_SHEETS = sheets.Sheets(None, 0)


def make_photo(size=64, seed=0):
    """Smooth colours with some grain, well inside of 0..1."""
    rng = np.random.default_rng(seed)
    ramp = np.linspace(0.3, 0.7, size)
    smooth = np.stack(np.broadcast_arrays(ramp, ramp[:, None], 0.5), axis=2)
    return (smooth + rng.normal(0, 0.02, smooth.shape)).astype(np.float32)


def make_hole(size=64):
    hole = np.zeros((size, size), bool)
    hole[20:40, 24:44] = True
    return hole


class Metrics(unittest.TestCase):
    def setUp(self):
        self.photo, self.hole = make_photo(), make_hole()

    def test_an_equal_picture_is_perfect(self):
        self.assertEqual(metrics.psnr(self.photo, self.photo), math.inf)
        self.assertAlmostEqual(metrics.ssim(self.photo, self.photo), 1)
        self.assertEqual(metrics.texture_error(self.photo, self.photo, self.hole), 0)

    def test_psnr_of_a_known_error(self):
        self.assertAlmostEqual(metrics.psnr(self.photo + 0.1, self.photo), 20, places=4)
        darker = np.where(self.hole[..., None], self.photo - 0.01, self.photo)
        inside = metrics.psnr(darker, self.photo, self.hole)
        self.assertAlmostEqual(inside, 40, places=3)
        self.assertEqual(metrics.psnr(darker, self.photo, ~self.hole), math.inf)

    def test_one_changed_pixel_outside_is_noticed(self):
        inside, outside = self.photo.copy(), self.photo.copy()
        inside[30, 30] = 0
        outside[5, 5, 1] += 1 / 255
        self.assertEqual(metrics.change_outside(inside, self.photo, self.hole), 0)
        change = metrics.change_outside(outside, self.photo, self.hole)
        self.assertAlmostEqual(change, 1, places=3)

    def test_blur_has_a_texture_error_and_a_patch_has_a_seam(self):
        filled = inpainters.harmonic(self.photo, self.hole)
        self.assertGreater(metrics.texture_error(filled, self.photo, self.hole), 0.3)
        patch = np.where(self.hole[..., None], self.photo + 0.2, self.photo)
        self.assertLess(metrics.seam(self.photo, self.photo, self.hole), 1.5)
        self.assertGreater(metrics.seam(patch, self.photo, self.hole), 5)

    def test_a_photo_keeps_itself_and_a_shuffled_one_nothing(self):
        photo = np.where(self.hole[..., None], 1 - self.photo, self.photo)
        shuffled = photo.reshape(-1, 3)[np.random.default_rng(0).permutation(64 * 64)]
        for kept in (metrics.tones_kept, metrics.edges_kept):
            self.assertAlmostEqual(kept(photo, photo), 1)
            self.assertLess(abs(kept(shuffled.reshape(photo.shape), photo)), 0.3)
            self.assertEqual(kept(np.full_like(photo, 0.5), photo), 0)

    def test_a_negative_keeps_the_edges_and_not_the_tones(self):
        self.assertAlmostEqual(metrics.edges_kept(1 - self.photo, self.photo), 1)
        self.assertAlmostEqual(metrics.tones_kept(1 - self.photo, self.photo), -1)


def make_texture(angle=0.6, size=96, seed=0):
    """Grain that is stretched in one direction, around mid grey."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[-12:13, -12:13]
    along = x * np.cos(angle) + y * np.sin(angle)
    across = y * np.cos(angle) - x * np.sin(angle)
    kernel = np.exp(-(along**2) / 32 - across**2 / 2)
    spectrum = np.fft.fft2(rng.standard_normal((size, size)))
    plane = np.real(np.fft.ifft2(spectrum * np.fft.fft2(kernel, (size, size))))
    plane *= 0.1 / plane.std()
    return np.repeat((0.5 + plane)[..., None], 3, axis=2).astype(np.float32)


class Perceptual(unittest.TestCase):
    def setUp(self):
        self.truth = make_texture()
        self.grain = np.random.default_rng(1).standard_normal(self.truth.shape)
        self.mean = np.full_like(self.truth, 0.5)

    def distance(self, picture):
        return perceptual.distance(picture, self.truth)

    def blurred(self, sigma):
        plane = metrics.blurred(self.truth[..., 0], sigma)
        return np.repeat(plane[..., None], 3, axis=2)

    def test_equal_pictures_have_no_distance_and_a_flat_one_much(self):
        hole = make_hole(96)
        self.assertAlmostEqual(self.distance(self.truth), 0)
        self.assertAlmostEqual(perceptual.distance(self.truth, self.truth, hole), 0)
        self.assertGreater(self.distance(self.mean), 0.4)
        self.assertLessEqual(self.distance(np.zeros_like(self.mean)), 1)

    def test_more_blur_and_more_noise_are_farther(self):
        blurred = [self.blurred(sigma) for sigma in (0.5, 1, 2, 4)]
        noisy = [self.truth + sigma / 255 * self.grain for sigma in (5, 10, 25, 50)]
        for steps in (blurred, noisy):
            far = [0, *map(self.distance, steps)]
            self.assertEqual(far, sorted(set(far)))
            self.assertGreater(far[-1], 0.1)

    def test_a_moved_texture_is_nearer_than_another_one_and_much_nearer_than_none(self):
        moved = self.distance(np.roll(self.truth, (3, 2), (0, 1)))
        again = self.distance(make_texture(seed=2))
        turned = self.distance(make_texture(angle=2.2, seed=2))
        none = self.distance(self.mean)
        self.assertLess(moved, none / 4)
        self.assertLess(again, turned / 1.5)
        self.assertLess(turned, none)
        self.assertLess(metrics.psnr(np.roll(self.truth, (3, 2), (0, 1)), self.truth),
                        metrics.psnr(self.mean, self.truth) + 3)

    def test_smoothing_costs_more_than_noise_of_the_same_psnr(self):
        smooth = self.blurred(2)
        error = np.sqrt(((smooth - self.truth) ** 2).mean())
        noisy = self.truth + error * self.grain
        self.assertAlmostEqual(metrics.psnr(smooth, self.truth),
                               metrics.psnr(noisy, self.truth), delta=0.3)
        self.assertGreater(self.distance(smooth), 1.5 * self.distance(noisy))

    def test_a_seam_and_wrong_colours_are_noticed_where_they_are(self):
        photo, hole = make_photo(96), make_hole(96)
        elsewhere = np.roll(hole, (48, 48), (0, 1))
        patch = np.where(hole[..., None], photo + 0.1, photo)
        tinted = np.where(hole[..., None], photo + [0.1, 0, -0.1], photo)
        for picture in (patch, tinted):
            inside = perceptual.distance(picture, photo, hole)
            self.assertGreater(inside, 0.05)
            self.assertLess(perceptual.distance(picture, photo, elsewhere), inside / 5)
        rim = hole & ~np.roll(hole, 2, 0)
        shifted = photo + 0.1  # the same change without an edge
        self.assertGreater(perceptual.distance(patch, photo, rim),
                           1.3 * perceptual.distance(shifted, photo, rim))


class Damage(unittest.TestCase):
    def test_holes_are_reproducible_and_of_their_kind(self):
        for kind in holes.KINDS:
            one, same, other = (holes.make_hole(kind, 384, 320, s) for s in (1, 1, 2))
            self.assertEqual(one.shape, (384, 320), kind)
            self.assertTrue(np.array_equal(one, same), kind)
            self.assertTrue(0 < one.mean() < 0.5, kind)
            if kind != "border":  # there are only four of these
                self.assertFalse(np.array_equal(one, other), kind)
        self.assertEqual(holes.make_hole("box 64", 256, 192, 3).sum(), 64 * 64)
        self.assertTrue(0.29 < holes.make_hole("irregular", 256, 256, 3).mean() < 0.41)

    def test_a_camera_makes_more_noise_at_a_higher_iso(self):
        photo = make_photo(96)
        levels = [noise.camera_case(photo, f"ISO {iso}", 0).sigma
                  for iso in (800, 3200, 12800, 51200)]
        self.assertEqual(levels, sorted(levels))
        self.assertGreater(levels[-1], 3 * levels[0])

    def test_a_camera_without_noise_keeps_a_smooth_photo(self):
        smooth = np.full((32, 32, 3), (0.5, 0.4, 0.3), np.float32)
        for shot in camera.SHOTS:
            truth, _ = camera.photograph(smooth, shot, 1)
            self.assertLess(np.abs(truth - smooth).max(), 2 / 255)

    def test_mosaics_begin_with_each_colour(self):
        for phase, first_row in enumerate(("RG", "GR", "GB", "BG")):
            _, kept = camera.mosaic(np.ones((8, 8, 3)), phase)
            self.assertEqual("".join("RGB"[c.argmax()] for c in kept[0, :2]), first_row)
            self.assertEqual(kept.sum(axis=(0, 1)).tolist(), [16, 32, 16])

    def test_demosaicing_along_edges_keeps_them(self):
        photo = np.full((32, 32, 3), 0.2)
        photo[:, 15:] = 0.7
        for turned in (photo, photo.transpose(1, 0, 2)):
            raw, kept = camera.mosaic(turned)
            rough, fine = (np.abs(f(raw, kept) - turned).mean()
                           for f in (camera.bilinear, camera.along_edges))
            self.assertLess(fine, 0.2 * rough)

    def test_float_noise_leaves_the_range_and_8_bit_noise_does_not(self):
        photo = np.full((32, 32, 3), 0.95, np.float32)
        self.assertGreater(noise.white_case(photo, 50, 0, False).noisy.max(), 1)
        self.assertLessEqual(noise.white_case(photo, 50, 0, True).noisy.max(), 1)


def stripes(rng):
    """Black and white, as a wood engraving."""
    ramp = np.arange(200) * rng.uniform(0.6, 1.2) + 8 * rng.normal(size=(200, 1))
    return np.repeat((np.sin(ramp) > 0)[..., None], 3, axis=2).astype(np.float32)


def patches(rng):
    """Soft patches of colour, as a watercolour."""
    small = Image.fromarray(rng.integers(120, 255, (9, 9, 3), np.uint8))
    return pictures.from_bytes(np.asarray(small.resize((200, 200), Image.BICUBIC)))


class Styles(unittest.TestCase):
    def looks(self, make, seeds):
        rngs = [np.random.default_rng(seed) for seed in seeds]
        images = [Image.fromarray(pictures.to_bytes(make(rng))) for rng in rngs]
        return np.stack([judge.look(image, rng) for image, rng in zip(images, rngs)])

    def test_a_judge_knows_two_classes_that_differ(self):
        learnt = [self.looks(make, range(6)) for make in (stripes, patches)]
        wise = judge.Judge(np.concatenate(learnt), np.repeat([0, 1], 6))
        for label, make in enumerate((stripes, patches)):
            places = wise.places(self.looks(make, range(6, 10)))
            self.assertEqual(places[:, label].tolist(), [0] * 4)
            self.assertEqual(places[:, 1 - label].tolist(), [1] * 4)

    def test_a_judge_of_one_class_that_is_rare_still_knows_it(self):
        learnt = self.looks(stripes, range(20)), self.looks(patches, range(2))
        wise = judge.Judge(np.concatenate(learnt), np.repeat([0, 1], [20, 2]))
        self.assertEqual(wise.places(self.looks(patches, [7])[0]).tolist(), [1, 0])

    def test_accuracy_is_of_works_that_were_not_learnt(self):
        rng = np.random.default_rng(0)
        labels = np.repeat(np.arange(9), 20)
        noise_only = rng.normal(size=(180, 2, 30))
        telling = noise_only + 9 * np.eye(9, 30)[labels][:, None]
        for looks, low, high in ((noise_only, 0, 0.3), (telling, 0.95, 1)):
            accuracy = judge.accuracy_of(looks, labels)
            self.assertEqual(list(accuracy), list(judge.CLASSES))
            mean = report.mean(accuracy.values())
            self.assertTrue(low <= mean <= high, mean)

    def test_without_works_there_is_no_judge(self):
        with tempfile.TemporaryDirectory() as folder, self.assertRaises(SystemExit):
            judge.learn(folder, folder)


class Board(unittest.TestCase):
    def setUp(self):
        self.enterContext(contextlib.redirect_stderr(io.StringIO()))  # progress

    def photos(self, size=64):
        return [(f"{seed}.png", make_photo(size, seed)) for seed in range(3)]

    def test_a_wrong_denoiser_comes_last_and_is_worse_than_its_input(self):
        methods = [
            Method("cheat", lambda case, setting: case.clean),
            Method("vandal", lambda case, setting: 1 - case.noisy),
        ]
        text, skipped = noise.camera_noise(self.photos(), methods, NO_SHEETS)
        rows = {line.split(" | ")[0]: line for line in text.splitlines()}
        self.assertEqual(skipped, [])
        best = "**inf / 1.000 / 0.000, 0 worse**"
        self.assertEqual(rows["| cheat"].count(best), len(camera.SHOTS))
        self.assertEqual(rows["| vandal"].count("3 worse"), len(camera.SHOTS))

    def test_an_engine_that_touches_known_pixels_is_found_out(self):
        def sloppy(case, setting):
            picture = case.photo.copy()
            picture[~case.hole] += 2 / 255
            return picture

        for method, change in ((sloppy, 2), (lambda case, s: case.photo, 0)):
            methods = [Method("sdedit", method, ours=True)]
            photos = self.photos(160)[:1]  # larger than the largest hole
            photos = [(name, noise.to_8_bit(photo)) for name, photo in photos]
            found = filling.inpaint(photos, methods, NO_SHEETS)[2]
            self.assertAlmostEqual(found, change, places=3)

    def test_a_fill_is_nearer_than_its_rival_where_it_is(self):
        photos = [photo for _, photo in self.photos(96)]
        cases = [filling.make_case(p, "box 64", seed) for seed, p in enumerate(photos)]
        right = [filling.rate(case.photo, case, 0) for case in cases]
        flat = [filling.rate(np.full_like(c.photo, 0.5), c, 0) for c in cases]
        mixed = [right[0], *flat[1:]]
        for ours, theirs, cell in ((right, flat, "3 of 3"), (mixed, flat, "1 of 3"),
                                   (flat, right, "0 of 3")):
            scores = {"box 64": {"sdedit": ours, filling.RIVAL: theirs}}
            self.assertIn(f"| sdedit | {cell} |", filling.wins_table(scores, ["sdedit"]))
        scores["box 64"].pop(filling.RIVAL)
        self.assertEqual(filling.wins_table(scores, ["sdedit"]), "")

    def test_a_fill_without_grain_is_noticed(self):
        photo, hole = make_photo(96), make_hole(96)
        clean = make_photo(96) * 0 + 0.5
        again = make_photo(96, seed=5)
        self.assertEqual(metrics.grain_match(photo, photo, hole), 1)
        self.assertLess(metrics.grain_match(clean, photo, hole), 0.05)
        self.assertAlmostEqual(metrics.grain_match(again, photo, hole), 1, delta=0.15)
        smooth = Method("smooth", lambda case, s: np.full_like(case.photo, 0.5))
        right = Method("right", lambda case, s: case.photo)
        won = {kind: {"smooth": None, "right": None} for kind in filling.GRAIN_KINDS}
        table = filling.grain_table(self.photos(96)[:1], [smooth, right], won)
        self.assertEqual(table.count("0.00"), 3)
        self.assertEqual(table.count("**1.00**"), 3)

    def test_evaluations_reach_the_method_and_make_rows(self):
        seen = []

        def method_of(n):
            def run(case, setting):
                seen.append(n)
                return case.photo if n >= 10 else np.full_like(case.photo, 0.5)

            return Method("sdedit", run)

        photos = [("0.png", noise.to_8_bit(make_photo(96)))]
        table = filling.evaluations(photos, method_of).splitlines()
        self.assertEqual(sorted(set(seen)), list(filling.EVALUATIONS))
        self.assertEqual(len(table), 2 + len(filling.EVALUATIONS))
        self.assertNotIn("inf", table[4])
        self.assertEqual(table[5].count("inf / 0.000"), 3)

    def test_a_soft_mask_falls_off_over_what_is_known(self):
        case = filling.make_case(make_photo(96), "soft blobs", 1)
        core, soft = case.mask == 1, (case.mask > 0) & (case.mask < 1)
        self.assertGreater(soft.sum(), 100)
        self.assertTrue((case.damaged[core] == 0).all())
        self.assertTrue(np.array_equal(case.damaged[~core], case.photo[~core]))
        self.assertTrue(np.array_equal(case.hole, core | soft))
        hard = filling.make_case(make_photo(96), "blobs", 1)
        self.assertTrue(np.array_equal(hard.mask == 1, hard.mask > 0))

    def test_a_box_that_leaves_nothing_is_no_kind(self):
        self.assertNotIn("box 192", holes.kinds_for(192, 400))
        self.assertIn("box 192", holes.kinds_for(256, 256))
        for kind in holes.kinds_for(96, 96):
            self.assertFalse(holes.make_hole(kind, 96, 96, 0).all())

    def test_what_cannot_run_is_skipped_unless_it_is_ours(self):
        def missing(case, setting):
            run_program("no-such-program-here")

        case = noise.white_case(make_photo(16), 25, 0, True)
        usable, skipped = probe([Method("peer", missing)], case)
        self.assertEqual(usable, [])
        self.assertIn("no-such-program-here is not installed", skipped[0])
        with self.assertRaises(Exception):
            probe([Method("sdedit", missing, ours=True)], case)

    def test_the_best_setting_wins(self):
        case = noise.white_case(make_photo(), 25, 0, False)
        blend = Method("blend", lambda c, s: s * c.noisy + (1 - s) * c.clean, (1, 0, 0.5))
        self.assertEqual(best_setting(blend, [case], noise.score), 0)

    def test_harmonic_continues_a_ramp(self):
        ramp = np.broadcast_to(np.linspace(0, 1, 64)[:, None, None], (64, 64, 3))
        hole = make_hole()
        damaged = np.where(hole[..., None], 0, ramp).astype(np.float32)
        filled = inpainters.harmonic(damaged, hole)
        self.assertLess(np.abs(filled - ramp).max(), 1e-5)
        self.assertTrue(np.array_equal(filled[~hole], damaged[~hole]))

    def test_restyling_that_changes_nothing_keeps_all_and_is_not_recognised(self):
        class Simple:  # takes what is bright for every style, and the rest for none
            def places(self, looks):
                return [0 if looks[0, 3] > 1 else 2] * len(judge.CLASSES)

        def timid(photo, style, strength, seed):
            return photo

        def blank(photo, style, strength, seed):
            return np.ones_like(photo)

        accuracy = dict.fromkeys(judge.CLASSES, 0.5)
        for run, cells, last in ((timid, "1.00 / 1.00", "0 %, 0 %"),
                                 (blank, "0.00 / 0.00", "100 %, 100 %")):
            photos = self.photos(judge.SIDE)[:2]
            text = restyling.restyle(
                photos, run, ["ukiyoe", "sketch"], Simple(), accuracy, NO_SHEETS
            )
            self.assertEqual(text.count(f"| ukiyoe | 50 % | 0 %, 0 % | {last} "), 1)
            self.assertEqual(text.count(cells), 3 * 3)

    def test_a_style_sheet_has_a_row_for_every_strength_and_is_small(self):
        seen = []

        def run(photo, style, strength, seed):
            seen.append((style, strength, seed))
            return np.random.default_rng(0).random(photo.shape)

        with tempfile.TemporaryDirectory() as folder:
            photo, target = Path(folder, "photo.png"), Path(folder, "sheet.jpg")
            pictures.write(photo, make_photo(400))
            styles = list(judge.STYLES)
            rows, names = restyling.sheet_rows([photo, photo], run, styles)
            sheets.save_small(sheets.draw_sheet(rows, names), target)
            self.assertLessEqual(target.stat().st_size, sheets.MAX_BYTES)
        self.assertEqual(names, ["0.3", "0.5", "0.7"] * 2)
        self.assertEqual(len(set(seen)), 2 * 3 * 8)
        side = restyling.RESTYLED // restyling.SHOWN
        self.assertEqual(rows[0]["sketch"].shape, (side, side, 3))

    def test_a_section_is_replaced_and_nothing_else(self):
        start, end = report.markers("denoise")
        with tempfile.TemporaryDirectory() as folder:
            card = Path(folder, "CARD.md")
            card.write_text(f"before\n{start}\nold\n{end}\nafter\n", encoding="utf-8")
            report.replace_section(card, "denoise", "new")
            text = card.read_text(encoding="utf-8")
            self.assertEqual(text, f"before\n{start}\n\nnew\n\n{end}\nafter\n")
            with self.assertRaises(SystemExit):
                report.replace_section(card, "camera", "new")


if __name__ == "__main__":
    unittest.main()

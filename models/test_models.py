#!/usr/bin/env python3
"""Tests of the training scripts with a tiny network: a few seconds on one core."""

import io
import json
import math
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
try:
    import numpy as np
    import torch
    from PIL import Image
    from safetensors.torch import load_file

    import decode
    import export
    import golden
    import tones
    import train
    import train_noise
    from sdedit_models import (
        cameras, folder, jpeg, levels, lines, masks, mixture, muon, native, noise_net,
        pictures, sampling, teacher, unet, validation, views,
    )
    from sdedit_models.dice import Dice
except ImportError as error:
    if __name__ != "__main__":
        raise unittest.SkipTest(f"models: {error.name} is missing") from error
    print(f"skipped: {error.name} is missing")
    sys.exit(77)

TINY = ["--widths", "8,16", "--batch", "4", "--crop", "16", "--lr", "3e-3"]


def make_photos(directory, n=3, size=48):
    """Smooth random pictures."""
    rng = np.random.default_rng(0)
    directory.mkdir(parents=True)
    for i in range(n):
        coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
        coarse.resize((size, size), Image.BICUBIC).save(directory / f"{i}.png")


class Levels(unittest.TestCase):
    def test_table_follows_the_cosine(self):
        t = levels.timestep_of(torch.from_numpy(levels.ANGLES[[0, 1, 1000]]))
        self.assertEqual(t.tolist(), [-1, 0, 999])
        middle = math.cos((0.5 + 0.008) / 1.008 * math.pi / 2) / math.cos(
            0.008 / 1.008 * math.pi / 2
        )
        self.assertAlmostEqual(math.cos(levels.ANGLES[500]), middle, places=4)

    def test_level_zero_returns_the_photo(self):
        net = unet.UNet(unet.make_config([8, 16]))
        photo = torch.rand(1, 3, 13, 18) * 2 - 1
        self.assertTrue(torch.equal(validation.denoise(net, photo, 0), photo))

    def test_target_v_leads_to_x0(self):
        x0, noise = torch.rand(2, 2, 3, 8, 8) * 2 - 1
        angles = torch.rand(2, 1, 8, 8) + 0.1
        x_t = angles.cos() * x0 + angles.sin() * noise
        v, weight = mixture.target_v(x0, x_t, angles)
        expected = angles.cos() * noise - angles.sin() * x0
        self.assertTrue(torch.allclose(v, expected, atol=1e-5))
        self.assertTrue(weight.bool().all())

    def test_noise_is_fitted_by_brightness(self):
        """A camera's noise grows with light; what is told follows it."""
        x = torch.linspace(-1, 1, 96).expand(1, 3, 96, 96)
        deviation = 0.02 + 0.05 * (x + 1)
        noise = deviation * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
        found = mixture.by_brightness(x, noise)[0, 0, 48]
        ratio = found[8:-8] / deviation[0, 0, 48, 8:-8]
        self.assertTrue(((ratio > 0.85) & (ratio < 1.15)).all(), ratio)

    def test_cameras_see_other_colours_and_give_them_back(self):
        dice = Dice(4)
        matrices = cameras.colour_matrices(64, dice)
        self.assertTrue(torch.allclose(matrices.sum(dim=2), torch.ones(64, 3), atol=1e-5))
        self.assertLess(matrices[:, 0, 1:].max(), 0.01)
        self.assertGreater(matrices[:, 0, 0].max(), 1.5)
        flat = torch.tensor([0.5, 0.4, 0.3])[None, :, None, None].expand(64, 3, 16, 16)
        truth, noisy = cameras.exposed(flat, dice)
        self.assertLess((truth - flat).abs().max(), 0.01)
        self.assertGreater((noisy - truth).std(), 0.01)

    def test_a_teacher_sees_other_views_and_answers_in_ours(self):
        """A network that predicts v = 0 finds cos(theta) x_t, in any view."""
        class Silent(torch.nn.Module):
            posterior_input = False

            def forward(self, x, t, labels):
                return torch.zeros(len(x), 12, *x.shape[2:])

        x0, x_t = torch.rand(2, 3, 3, 8, 8) * 2 - 1
        angles = torch.rand(3, 1, 8, 8)
        camera = torch.tensor([True, False, False])
        labels = torch.zeros(3, dtype=torch.long)
        batch = mixture.Batch(x0, x_t, angles, labels, torch.zeros_like(x0), camera)
        for way in range(8):
            back = views.laid_back(views.laid(x0, way), way)
            self.assertTrue(torch.equal(back, x0), way)
        taught = teacher.taught_x0(Silent(), batch, Dice(0))
        self.assertTrue(torch.equal(taught[0], x0[0]))
        expected = angles.cos() * x_t
        self.assertTrue(torch.allclose(taught[1:], expected[1:], atol=1e-6))

    def test_the_mean_of_a_fill_has_two_rounds(self):
        """A network that predicts v = 0 returns what it begins with; one that is off
        by a little is so once in the first round and twice in the second."""
        class Off(torch.nn.Module):
            posterior_input = True
            config = {"block_out_channels": [8]}
            v = 0.0

            def forward(self, x, t, labels):
                return torch.full((len(x), 12, *x.shape[2:]), self.v)

        net, photo = Off(), torch.full((1, 3, 32, 32), 0.25)
        hole = torch.zeros(1, 1, 32, 32)
        hole[..., 12:20, 12:20] = 1
        for net.v, expected in ((0.0, 0.25), (-0.1, 0.4)):
            filled = sampling.mean_filling(net, photo, hole)
            inside = filled[..., 12:20, 12:20]
            self.assertTrue(torch.allclose(filled * (1 - hole), photo * (1 - hole)))
            self.assertLess((inside - expected).abs().max(), 0.02)

    def test_holes_are_never_empty(self):
        rng = np.random.default_rng(0)
        for _ in range(50):
            self.assertTrue(0 < masks.random_hole(rng, 32).mean() < 0.9)


    def test_depths_grow_inwards(self):
        depths = masks.random_depths(np.random.default_rng(0), 3, 32)
        self.assertEqual(depths.shape, (3, 1, 32, 32))
        self.assertTrue(((depths == 0) | (depths >= 1)).all())


class Batches(unittest.TestCase):
    """What the training mixture is made with."""

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.path = Path(scratch.name)

    def test_resizing_is_pillow_bicubic(self):
        picture = Image.effect_noise((40, 40), 20)
        for side, size in ((40, 40), (40, 23), (17, 32)):
            part = picture.crop((0, 0, side, side)).resize((size, size), Image.BICUBIC)
            matrix = lines.resizing(torch.tensor([side]), size, 40)
            x = torch.from_numpy(np.array(picture, dtype=np.float32))[None, None]
            ours = lines.along_both(matrix, x)[0, 0].clamp(0, 255)
            worst = (ours - torch.from_numpy(np.array(part)).float()).abs().max()
            with self.subTest(side=side, size=size):
                self.assertLess(worst, 1.01)  # Pillow rounds after each direction

    def test_blur_keeps_the_mean_and_takes_the_noise(self):
        x = torch.randn(2, 1, 64, 48, generator=torch.Generator().manual_seed(0))
        y = lines.smoothed(x, torch.tensor([1.0, 3.0]))
        expected = torch.tensor([1.0, 3.0]) * 2 * math.pi**0.5  # white noise, 2 sigma sqrt(pi)
        ratio = x.std(dim=(1, 2, 3)) / y.std(dim=(1, 2, 3))
        self.assertTrue(torch.allclose(ratio, expected, rtol=0.2), ratio)
        flat = torch.full((2, 1, 9, 9), 0.5)
        self.assertTrue(torch.allclose(lines.smoothed(flat, 2.0), flat, atol=1e-5))

    def test_jpeg_distorts_as_a_file_does(self):
        rng = np.random.default_rng(0)
        coarse = Image.fromarray(rng.integers(0, 256, (9, 7, 3), dtype=np.uint8))
        pixels = np.array(coarse.resize((70, 90), Image.BICUBIC)).astype(float)
        pixels = (pixels + rng.normal(0, 8, pixels.shape)).clip(0, 255).astype(np.uint8)
        x = torch.from_numpy(pixels).permute(2, 0, 1)[None] / 127.5 - 1
        for quality in (40, 75, 95):
            file = io.BytesIO()
            Image.fromarray(pixels).save(file, "JPEG", quality=quality)
            theirs = torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1)[None]
            theirs = theirs / 127.5 - 1
            ours = jpeg.jpeg(x, torch.tensor([float(quality)]))
            lost = [float((y - x).std(dim=(2, 3)).mean()) for y in (theirs, ours)]
            with self.subTest(quality=quality):
                self.assertLess(abs(lost[1] / lost[0] - 1), 0.03)
                self.assertLess(float((ours - theirs).std()), 0.35 * lost[0])

    def test_dice_go_on_where_they_were(self):
        one, other = Dice(1), Dice(2)
        one.normal(3)
        other.restore(one.state())
        self.assertTrue(torch.equal(one.uniform(5), other.uniform(5)))
        self.assertEqual(one.counts(9, (0.5, 0.5)), other.counts(9, (0.5, 0.5)))

    def test_crops_come_from_the_class_and_from_later_parts(self):
        for name, colour in (("1", 40), ("2", 200)):
            source = self.path / name / "etching"
            source.mkdir(parents=True)
            Image.new("RGB", (50, 40), (colour,) * 3).save(source / "a.png")
        photos = self.path / "photos"
        make_photos(photos)
        decode.decode(photos, self.path / "1", self.path / "parts" / "1.u8")
        found = pictures.Pictures(self.path / "parts" / "*.u8")
        labels = torch.full((20,), levels.CLASS_NAMES.index("etching"))
        self.assertEqual(found.art_labels.tolist(), labels[:1].tolist())
        crops = found.crops(Dice(0), labels, 16)
        self.assertTrue(torch.allclose(crops, torch.tensor(40 / 255), atol=1e-4))
        decode.decode(None, self.path / "2", self.path / "parts" / "2.u8")
        found.refresh()
        crops = found.crops(Dice(0), labels, 16).mean(dim=(1, 2, 3)) * 255
        self.assertEqual({round(float(c)) for c in crops}, {40, 200})

    def test_muon_steps_are_orthogonal(self):
        matrices = torch.randn(2, 6, 20, generator=torch.Generator().manual_seed(0))
        values = torch.linalg.svdvals(muon.orthogonal(matrices))
        self.assertTrue(((values > 0.6) & (values < 1.3)).all(), values)


class NoiseNet(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.path = Path(scratch.name)
        make_photos(self.path / "photos", size=96)

    def test_mosaics_keep_flat_colours_and_the_order_of_rows(self):
        x = torch.tensor([0.2, 0.5, 0.8])[None, :, None, None].repeat(2, 1, 12, 16)
        x[1] *= torch.linspace(0.5, 1, 12)[:, None]  # a ramp is linear: nothing is lost
        for linear in (True, False):
            y = cameras.demosaiced(x, torch.tensor(linear))
            error = (y - x)[:, :, 2:-2, 2:-2].abs().max()
            self.assertLess(float(error), 1e-6 if linear else 0.02)

    def test_mosaics_and_blocks_begin_anywhere_for_truth_and_noise_alike(self):
        x, dice, corners = torch.arange(144.0).reshape(1, 1, 12, 12), Dice(0), set()
        for _ in range(100):
            truth, y = cameras.moved(x, 2 * x, dice)
            self.assertTrue(torch.equal(2 * truth, y))
            down, right = (truth[0, 0] == 0).nonzero()[0].tolist()
            self.assertTrue(torch.equal(truth, x.roll((down, right), dims=(2, 3))))
            corners.add((down, right))
        for axis in zip(*corners):
            self.assertEqual(set(axis), set(range(cameras.BLOCK)))

    def test_only_noise_is_noise(self):
        """What has no noise has at most a file's error; other pictures have more."""
        x = torch.rand(64, 3, 4, 4, generator=torch.Generator().manual_seed(0))
        x = torch.nn.functional.interpolate(x, size=(48, 48), mode="bicubic").clamp(0, 1)
        truth, y = cameras.photographed(x, Dice(3))
        error = ((y - truth) * 255).square().mean(dim=(1, 2, 3)).sqrt()
        self.assertLess(float(error.min()), 0.6)
        self.assertGreater(float(error.max()), 15)
        self.assertTrue(((y >= 0) & (y <= 1)).all())

    def test_training_teaches_and_goes_on(self):
        args = train_noise.parse_args([
            str(self.path), "--photos", str(self.path / "photos"), "--cache",
            str(self.path / "photos.u8"), "--minutes", "0.1", "--batch", "4", "--crop", "48",
        ])
        losses = train_noise.train(args)
        self.assertLess(np.mean(losses[-5:]), 0.7 * np.mean(losses[:5]))
        first = noise_net.load(self.path)
        self.assertTrue(torch.equal(
            train_noise.start_net(args).conv_in.weight, first.conv_in.weight))
        out = first(torch.zeros(1, 3, 16, 24))
        self.assertEqual(out.shape, (1, 2, 2, 3))


class Tones(unittest.TestCase):
    def test_a_file_says_how_works_are_toned(self):
        with tempfile.TemporaryDirectory() as scratch:
            art, model = Path(scratch, "art"), Path(scratch, "model")
            (art / "ink").mkdir(parents=True)
            ramp = np.repeat(np.arange(100, 200, dtype=np.uint8), 100).reshape(100, 100)
            for i, blue in enumerate((20, -20)):  # two papers
                work = np.stack([ramp, ramp, ramp + np.uint8(blue % 256)], axis=-1)
                Image.fromarray(work).save(art / "ink" / f"{i}.png")
            model.mkdir()
            (model / "model_index.json").write_text(
                json.dumps({"sdedit": {"class_names": ["photo", "ink"]}}))
            tones.main([str(model), "--art", str(art)])
            found = json.loads((model / "styles" / "tones.json").read_text())
        self.assertEqual(list(found), ["ink"])
        self.assertEqual(len(found["ink"]["luma"]), tones.N_TONES)
        self.assertAlmostEqual(found["ink"]["luma"][8], 149.5 / 255, delta=0.005)
        self.assertAlmostEqual(found["ink"]["luma"][0], 103 / 255, delta=0.01)
        np.testing.assert_allclose(found["ink"]["chroma_mean"], 0, atol=1e-3)
        blue, others = 20 / 255 * (1 - 0.114), 20 / 255 * 0.114
        self.assertAlmostEqual(found["ink"]["chroma_deviation"],
                               math.sqrt((blue**2 + 2 * others**2) / 3), delta=1e-3)


class Native(unittest.TestCase):
    """Our own layers give PyTorch's results and gradients."""

    def setUp(self):
        if not native.start(2):
            self.skipTest("models/native is not built")
        self.addCleanup(native.stop)

    def run_twice(self, function, *tensors):
        """Results and gradients of `function`, native and PyTorch's."""
        found = []
        for _ in range(2):
            leaves = [None if t is None else t.clone().requires_grad_() for t in tensors]
            y = function(*leaves)
            seeded = torch.Generator().manual_seed(1)
            (y * torch.randn(y.shape, generator=seeded)).sum().backward()
            found.append([y.detach(), *(t.grad for t in leaves if t is not None)])
            native.stop()
        native.start(2)
        return found

    def assert_same(self, found):
        for ours, theirs in zip(*found):
            self.assertEqual(ours.shape, theirs.shape)
            error = float((ours - theirs).norm() / theirs.norm())
            self.assertLess(error, 2e-5)

    def test_convolutions(self):
        torch.manual_seed(0)
        for cin, cout, side, stride, h, w in (
            (16, 24, 3, 1, 9, 14), (32, 12, 3, 1, 8, 8), (16, 16, 3, 2, 12, 10),
            (48, 20, 1, 1, 7, 5), (16, 40, 3, 1, 3, 2), (32, 64, 3, 1, 40, 36),
        ):
            layer = torch.nn.Conv2d(cin, cout, side, stride, side // 2)

            def run(x, weight, bias, layer=layer):
                del layer.weight, layer.bias
                layer.weight, layer.bias = weight, bias
                return native.conv(layer, x)

            x, weight, bias = torch.randn(3, cin, h, w), layer.weight.data, layer.bias.data
            with self.subTest(cin=cin, cout=cout, side=side, stride=stride):
                self.assert_same(self.run_twice(run, x, weight, bias))

    def test_norms(self):
        torch.manual_seed(0)
        layer = torch.nn.GroupNorm(4, 32, 1e-5)
        x = torch.randn(3, 32, 19, 17) * 3 + 1
        modulation = torch.randn(3, 32), torch.randn(3, 32)

        def run(x, gain, bias, scale, shift):
            del layer.weight, layer.bias
            layer.weight, layer.bias = gain, bias
            return native.norm_silu(layer, x, scale, shift)

        for scale, shift in (modulation, (None, None)):
            with self.subTest(modulated=scale is not None):
                self.assert_same(self.run_twice(
                    run, x, torch.randn(32), torch.randn(32), scale, shift))


class Training(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.path = Path(scratch.name)
        make_photos(self.path / "photos")
        make_photos(self.path / "art" / "etching")

    def arguments(self, run, steps, *more):
        sources = ["--photos", self.path / "photos", "--art", self.path / "art"]
        return [str(a) for a in (*sources, "--out", self.path / run, "--steps", steps,
                                 *TINY, *more)]

    def trainer(self):
        args = train.parse_args(self.arguments("run", 60))
        train.prepare(args)
        return train.Trainer(args)

    def test_loss_falls(self):
        trainer = self.trainer()
        batch = trainer.next_batch(0.3)
        trainer.next_batch = lambda progress: batch
        losses = [trainer.train_step(0.3) for _ in range(60)]
        self.assertLess(sum(losses[-5:]), 0.8 * sum(losses[:5]))

    def test_a_resumed_run_goes_on_exactly(self):
        one, other = self.trainer(), self.trainer()
        for _ in range(3):
            one.train_step(0.6)
        train.save(one, one.args.out)
        other.restore(train.load(other.args.out))
        for trainer in (one, other):
            trainer.losses = [trainer.train_step(0.6) for _ in range(3)]
        self.assertEqual(one.losses, other.losses)
        for name, tensor in one.ema.state_dict().items():
            self.assertTrue(torch.equal(tensor, other.ema.state_dict()[name]), name)

    def test_export_round_trip_and_golden_case(self):
        train.main(self.arguments("run", 3))
        export.export(self.path / "run", self.path / "model")
        net = folder.load_folder(self.path / "model")
        trained = load_file(self.path / "run" / "ema.safetensors")
        for name, tensor in net.state_dict().items():
            self.assertTrue(torch.equal(tensor, trained[name].bfloat16().float()), name)
        export.export(self.path / "run", self.path / "model", share=0)
        again = folder.load_folder(self.path / "model").state_dict()
        for name, tensor in net.state_dict().items():
            self.assertTrue(torch.equal(tensor, again[name]), name)
        golden.write_case(self.path / "model", self.path / "golden" / "case")
        stored = load_file(self.path / "golden" / "case" / "tensors.safetensors")
        self.assertEqual(stored["out"].shape, (2, 12, golden.HEIGHT, golden.WIDTH))
        more = ("--init", self.path / "model", "--loaders", 1)
        train.main(self.arguments("more", 2, *more))


if __name__ == "__main__":
    unittest.main()

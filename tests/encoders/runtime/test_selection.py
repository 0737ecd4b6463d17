"""Runtimes give the features of the module, the fastest is chosen once, and what is not right is not taken."""

import json
import subprocess
import sys
import warnings

import pytest
import torch
from torch import Tensor, nn

from latentlabels import ConfigError, DataWarning
from latentlabels.encoders.runtime import TorchExtractor, choose_extractor, selection
from latentlabels.encoders.runtime.agreement import agreement, pictures
from latentlabels.encoders.runtime.onnx import ONNXExtractor
from latentlabels.encoders.runtime.openvino import OpenVINOExtractor
from latentlabels.encoders.runtime.selection import CANDIDATES, FEW, PLAIN, Candidate, measure


class Convolutions(nn.Module):
    """Convolutions, some of them by channel, and batch normalisation with statistics that are not those of a batch."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU6(),
            nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.BatchNorm2d(8), nn.SiLU(), nn.Conv2d(8, 12, 1),
        )  # fmt: skip
        for layer in self.layers:
            if isinstance(layer, nn.BatchNorm2d):
                layer.running_mean.normal_()  # type: ignore[operator, union-attr]
                layer.running_var.uniform_(0.5, 2)  # type: ignore[operator, union-attr]

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images).mean((2, 3))


class Attention(nn.Module):
    """Patches with a token for the class, positions and attention, as a vision transformer has them."""

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 8, stride=8)
        self.token = nn.Parameter(torch.randn(1, 1, 16))
        self.positions = nn.Parameter(torch.randn(1, 1 + (size[0] // 8) * (size[1] // 8), 16))
        self.query, self.out, self.norm = nn.Linear(16, 48), nn.Linear(16, 16), nn.LayerNorm(16)

    def forward(self, images: Tensor) -> Tensor:
        x = self.patches(images).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.positions
        batch, tokens, width = x.shape
        q, k, v = self.query(self.norm(x)).reshape(batch, tokens, 3, 2, width // 2).permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(batch, tokens, width)
        return (x + self.out(mixed))[:, 0]


class Branching(nn.Module):
    """Looks at its images to decide what to compute, which no converter follows."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Convolutions()

    def forward(self, images: Tensor) -> Tensor:
        if torch.jit.is_tracing() or torch.compiler.is_compiling():
            raise RuntimeError("cannot be traced")
        return self.inner(images)


class Asleep(TorchExtractor):
    """The right features, slowly."""

    def __call__(self, images: Tensor) -> Tensor:
        torch.zeros(400, 400).svd()
        return super().__call__(images)


class Off(TorchExtractor):
    """Features that are 3 % off."""

    def __call__(self, images: Tensor) -> Tensor:
        return super().__call__(images) * 1.03


SIZES = [(32, 32), (24, 40)]


@pytest.mark.parametrize("runtime", [OpenVINOExtractor, ONNXExtractor])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["convolutions", "attention"])
def test_a_runtime_gives_the_features_of_the_module(runtime, size, kind):
    module = (Convolutions() if kind == "convolutions" else Attention(size)).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a converter that warns, warns the user
        extractor = runtime(module, size)
    assert extractor.precision == "f32"
    for number in (1, 2, 5, 33):  # 33 is more than one part
        images = torch.randint(0, 256, (number, 3, *size), dtype=torch.uint8)
        with torch.no_grad():
            expected = module(images.float() / 255)
        found = extractor(images)
        assert found.dtype == torch.float32
        assert found.shape == expected.shape
        assert (found - expected).norm() <= 1e-5 * expected.norm()
    assert extractor(torch.zeros(0, 3, *size, dtype=torch.uint8)).shape == (0, expected.shape[1])


@pytest.mark.parametrize("channels_last", [False, True])
def test_torch_gives_the_features_of_the_module_in_evaluation_mode(channels_last):
    module = Convolutions().train()
    images = torch.randint(0, 256, (40, 3, 24, 40), dtype=torch.uint8)
    found = TorchExtractor(module, channels_last=channels_last)(images)
    with torch.no_grad():
        torch.testing.assert_close(found, module.eval()(images.float() / 255))
    found.requires_grad_()  # an ordinary tensor: a head may be trained on it


def test_images_that_are_not_bytes_are_refused():
    with pytest.raises(TypeError, match="uint8"):
        TorchExtractor(Convolutions())(torch.rand(2, 3, 32, 32))


def test_another_size_than_was_given_is_refused_and_not_computed():
    extractor = OpenVINOExtractor(Convolutions().eval(), (32, 32))
    with pytest.raises(RuntimeError):
        extractor(torch.zeros(1, 3, 40, 40, dtype=torch.uint8))


@pytest.mark.parametrize("runtime", ["openvino", "onnx", "torch"])
def test_a_runtime_can_be_named(runtime):
    extractor = choose_extractor(Convolutions(), (32, 32), runtime)
    assert extractor.runtime == runtime
    assert _chosen(extractor).runtime == runtime


def test_the_module_itself_computes_a_few_images_and_nothing_is_measured_before_there_are_more(monkeypatch):
    measured = []
    monkeypatch.setattr(selection, "measure", lambda *args: measured.append(args) or measure(*args[:2], [PLAIN]))
    module = Convolutions()
    extractor = choose_extractor(module, (32, 32))
    images = torch.randint(0, 256, (FEW + 1, 3, 32, 32), dtype=torch.uint8)
    found = [extractor(images[:1]), extractor(images[1:FEW])]
    assert not measured
    found.append(extractor(images[FEW:]))
    assert len(measured) == 1
    torch.testing.assert_close(torch.cat(found), TorchExtractor(module)(images))


def test_images_of_another_size_are_refused_with_both_sizes():
    with pytest.raises(ValueError, match=r"\(40, 32\).*\(32, 32\)"):
        choose_extractor(Convolutions(), (32, 32))(torch.zeros(1, 3, 40, 32, dtype=torch.uint8))


def _chosen(extractor):
    """What an extractor has chosen after many images."""
    extractor(torch.zeros(FEW + 1, 3, *extractor._size, dtype=torch.uint8))
    return extractor.chosen


def _choose(module, *args, **options):
    return _chosen(choose_extractor(module, *args, **options))


def _candidates(monkeypatch, *others: Candidate) -> None:
    monkeypatch.setattr(selection, "CANDIDATES", (PLAIN, *others))


def test_the_fastest_is_taken_and_remembered(monkeypatch, tmp_path):
    slow = Candidate("slow", "torch", lambda module, size: Asleep(module))
    _candidates(monkeypatch, slow)
    module = Convolutions()
    chosen = _choose(module, (32, 32), remembered=tmp_path)
    assert not isinstance(chosen, Asleep)
    (file,) = tmp_path.iterdir()
    told = json.loads(file.read_text())
    assert told["taken"] == "torch"
    assert [one["name"] for one in told["measured"]] == ["torch", "slow"]
    monkeypatch.setattr(selection, "measure", lambda *args: pytest.fail("measured twice"))
    _choose(module, (32, 32), remembered=tmp_path)
    file.write_text(json.dumps({**told, "taken": "slow"}))  # whatever was taken is taken again
    assert isinstance(_choose(module, (32, 32), remembered=tmp_path), Asleep)


def test_another_network_size_or_number_of_threads_is_measured_for_itself(monkeypatch, tmp_path):
    _candidates(monkeypatch)
    module = Convolutions()
    _choose(module, (32, 32), remembered=tmp_path)
    _choose(module, (40, 32), remembered=tmp_path)
    with torch.no_grad():
        next(module.parameters()).add_(1)
    _choose(module, (32, 32), remembered=tmp_path)
    monkeypatch.setattr("latentlabels.encoders.runtime.remembered.num_threads", lambda: 99)
    _choose(module, (32, 32), remembered=tmp_path)
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize("content", ["", "{", "[]", '{"taken": 3}'])
def test_a_broken_file_is_measured_again_and_mended(monkeypatch, tmp_path, content):
    _candidates(monkeypatch)
    module = Convolutions()
    _choose(module, (32, 32), remembered=tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_text(content)
    _choose(module, (32, 32), remembered=tmp_path)
    assert json.loads(file.read_text())["taken"] == "torch"


def test_a_folder_that_cannot_be_written_is_no_error(monkeypatch, tmp_path):
    _candidates(monkeypatch)
    (tmp_path / "file").write_text("")
    _choose(Convolutions(), (32, 32), remembered=tmp_path / "file" / "folder")


def test_features_that_are_off_are_not_taken(monkeypatch):
    off = Candidate("off", "openvino", lambda module, size: Off(module))
    _candidates(monkeypatch, off)
    monkeypatch.setattr(selection, "_seconds", lambda extractor, shown: 0.01 if isinstance(extractor, Off) else 1.0)
    assert not isinstance(_choose(Convolutions(), (32, 32)), Off)
    with pytest.raises(ConfigError, match=r"openvino.*off by 3\.0%"):
        _choose(Convolutions(), (32, 32), "openvino")


def test_much_faster_than_the_module_is_enough(monkeypatch):
    fast = Candidate("fast", "openvino", lambda module, size: TorchExtractor(module))
    never = Candidate("never", "onnx", lambda module, size: pytest.fail("tried although another was fast enough"))
    monkeypatch.setattr(selection, "_seconds", lambda extractor, shown: next(seconds))
    seconds = iter([1.0, 0.1])
    tried = measure(Convolutions().eval(), (32, 32), [PLAIN, fast, never])
    assert [one.candidate.name for one in tried] == ["torch", "fast"]


def test_a_library_that_is_missing_is_said_with_what_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ConfigError, match=r'fit.runtime: openvino is not installed.*pip install "latentlabels\[openvino\]"'):
        choose_extractor(Convolutions(), (32, 32), "openvino")
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(ConfigError, match=r"onnxscript missing.*latentlabels\[onnx\]"):
        choose_extractor(Convolutions(), (32, 32), "onnx")
    assert _choose(Convolutions(), (32, 32)).runtime == "torch"


@pytest.mark.parametrize("runtime", ["openvino", "onnx"])
def test_a_module_that_cannot_be_converted_is_run_by_torch_and_that_is_said_each_time(runtime, tmp_path):
    module = Branching()
    for _ in range(2):
        with pytest.warns(DataWarning, match=f"{runtime} cannot run this encoder, so torch computes"):
            assert isinstance(_choose(module, (32, 32), runtime, tmp_path), TorchExtractor)
    assert _choose(module, (32, 32)).runtime == "torch"  # without a word where nothing was asked for


def test_pictures_are_the_same_each_time_and_look_like_photos():
    shown = pictures((48, 64))
    assert shown.shape == (8, 3, 48, 64)
    assert shown.dtype == torch.uint8
    assert torch.equal(shown, pictures((48, 64)))
    values = shown.double()
    beside = torch.corrcoef(torch.stack([values[..., 1:].flatten(), values[..., :-1].flatten()]))[0, 1]
    assert beside > 0.8  # of noise it is 0
    assert float(values.std()) > 30


def test_agreement_in_numbers():
    reference = torch.randn(6, 10)
    assert agreement(reference, reference).holds
    found = reference.clone()
    found[2] *= 1.01
    one = agreement(found, reference)
    assert one.worst == pytest.approx(0.01, rel=1e-4)
    assert one.error == pytest.approx(0.01 * float(reference[2].norm() / reference.norm()), rel=1e-4)
    found[2] *= 1.03
    assert not agreement(found, reference).holds  # the error of all is small, that of one image is not
    assert not agreement(reference[:, :9], reference).holds
    assert not agreement(reference * float("nan"), reference).holds


def test_another_order_of_neighbours_does_not_agree():
    """Far from the origin, where a small relative error turns the order around."""
    reference = 100 + torch.tensor([[0.0, 0], [1, 0], [0.9, 0.5], [-1, -0.5]])
    found = reference.clone()
    found[1, 1], found[2, 1] = 100.6, 100.0
    got = agreement(found, reference)
    assert max(got.error, got.worst) < 0.02
    assert not got.same_order
    assert not got.holds


def test_nothing_is_imported_before_it_is_needed_and_nothing_is_reported():
    """In a process of its own: converters take long to import, and OpenVINO's reports its use over the network by default."""
    code = (
        "import sys, torch; from latentlabels.encoders.runtime import choose_extractor\n"
        "heavy = {'openvino', 'onnx', 'onnxruntime', 'onnxscript'}\n"
        "assert not heavy & set(sys.modules)\n"
        "net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Flatten())\n"
        "choose_extractor(net, (16, 16))(torch.zeros(8, 3, 16, 16, dtype=torch.uint8))\n"
        "assert not heavy & set(sys.modules)\n"
        "choose_extractor(net, (16, 16), 'openvino')(torch.zeros(8, 3, 16, 16, dtype=torch.uint8))\n"
        "assert 'openvino' in sys.modules and 'openvino_telemetry' not in sys.modules\n"
        "from openvino.tools.ovc import convert_impl\n"
        "assert convert_impl.tm.__name__.endswith('telemetry_stub')\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout + done.stderr == ""


def test_one_core_serves_all_who_use_openvino():
    """In a process of its own: when one of several cores ends, the next signal can be a segmentation fault."""
    code = (
        "import gc, os, signal, sys, tempfile, torch\n"
        "from pathlib import Path\n"
        "from latentlabels.encoders.runtime import choose_extractor\n"
        "from latentlabels.encoders.runtime.openvino import convert\n"
        "from latentlabels.export.formats import FORMATS\n"
        "import openvino\n"
        "made, own = [], openvino.Core\n"
        "openvino.Core = lambda: made.append(own()) or made[-1]\n"
        "net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Flatten())\n"
        "path = Path(tempfile.mkdtemp()) / 'a.xml'\n"
        "openvino.save_model(convert(net, (16, 16)), str(path))\n"
        "used = [choose_extractor(net, (16, 16), 'openvino'), *(FORMATS['openvino'].open(path) for _ in range(2))]\n"
        "used[0](torch.zeros(8, 3, 16, 16, dtype=torch.uint8))\n"
        "while used:\n"
        "    used.pop(0)\n"
        "    gc.collect()\n"
        "signal.signal(signal.SIGUSR1, lambda *given: print('handled', len(made)))\n"
        "os.kill(os.getpid(), signal.SIGUSR1)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "handled 1\n"), done.stderr


def test_every_runtime_of_the_config_has_a_candidate():
    from latentlabels.config.sections import FitConfig

    named = set(FitConfig.model_fields["runtime"].annotation.__args__) - {"auto"}
    assert named == {one.runtime for one in CANDIDATES}

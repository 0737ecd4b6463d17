"""How an exported graph is run, in ten lines: for each format and kind of input."""

from __future__ import annotations

import json

from ..kind import Kind

WINDOWS = "two square windows, one at each end of the long side, side by side"
_PICTURE = """\
card = json.loads(Path({card}).read_text(encoding="utf-8"))
height, width = card["inputs"]["images"]["shape"][2:]
how = Image.Resampling[card["inputs"]["images"]["interpolation"].upper()]
picture = Image.open("photo.jpg")
picture.draft("RGB", (2 * max(height, width),) * 2)
picture = ImageOps.exif_transpose(picture).convert("RGB").resize((width, height), how)
inputs = np.asarray(picture, np.float32).transpose(2, 0, 1)[None] / 255
"""
_WINDOWS = """\
card = json.loads(Path({card}).read_text(encoding="utf-8"))
side = card["inputs"]["images"]["shape"][2]
how = Image.Resampling[card["inputs"]["images"]["interpolation"].upper()]
picture = Image.open("photo.jpg")
picture.draft("RGB", (4 * side, 4 * side))
picture = ImageOps.exif_transpose(picture).convert("RGB")
(w, h), s = picture.size, max(*picture.size) / 2
s = max(min(picture.size), s)
w0, h0 = min(w, s), min(h, s)
ends = [(0, 0, w0, h0), (w - w0, h - h0, w, h)]
windows = [picture.resize((side, side), how, box=box) for box in ends]
inputs = np.concatenate([np.asarray(one, np.float32) for one in windows], 1).transpose(2, 0, 1)[None] / 255
"""
_EMBEDDING = """\
card = json.loads(Path({card}).read_text(encoding="utf-8"))
inputs = np.load("embeddings.npy").astype(np.float32)  # (N, D)
"""
_KNOWN = """\
known = np.full((len(inputs), len(card["labels"])), -1, np.int8)  # 1 present, 0 absent, -1 unknown
known[:, 0] = 1
"""
_IMPORTS = {
    Kind.IMAGES: "import json\nfrom pathlib import Path\n\nimport numpy as np\n{library}\nfrom PIL import Image, ImageOps\n\n",
    Kind.EMBEDDINGS: "import json\nfrom pathlib import Path\n\nimport numpy as np\n{library}\n\n",
}
_READ = {Kind.IMAGES: _PICTURE, Kind.EMBEDDINGS: _EMBEDDING}
_LIBRARY = {"onnx": "import onnxruntime", "openvino": "import openvino", "torch-export": "import torch"}
_CALL = {
    "onnx": """\
(p,) = onnxruntime.InferenceSession({labels}).run(None, {{"{name}": inputs}})
print(dict(zip(card["labels"], p[0].round(3).tolist())))

""",
    "openvino": """\
exact = {{"INFERENCE_PRECISION_HINT": "f32"}}
p = openvino.compile_model({labels}, "CPU", exact)(inputs)[0]
print(dict(zip(card["labels"], p[0].round(3).tolist())))

""",
    "torch-export": """\
p = torch.export.load({labels}).module()(torch.from_numpy(inputs))
print(dict(zip(card["labels"], p[0].numpy().round(3).tolist())))

""",
}
_GIVEN = {
    "onnx": '(p,) = onnxruntime.InferenceSession({known}).run(None, {{"{name}": inputs, "known": known}})\n',
    "openvino": 'p = openvino.compile_model({known}, "CPU", exact)([inputs, known])[0]\n',
    "torch-export": "p = torch.export.load({known}).module()(torch.from_numpy(inputs), torch.from_numpy(known))\n",
}


def snippet(form: str, kind: Kind, labels: str, known: str, card: str, windows: bool = False) -> str:
    """The lines for a format and a kind of input.

    Args:
        form: name of the format.
        kind: of the inputs.
        labels: file of the graph of p(label | x).
        known: file of the graph of p(label | x, known).
        card: file of the card as JSON.
        windows: whether pictures are two windows side by side.
    """
    head = _IMPORTS[kind].format(library=_LIBRARY[form])
    read = _WINDOWS if windows else _READ[kind]
    files = {
        name: json.dumps(file, ensure_ascii=False) for name, file in (("labels", labels), ("known", known), ("card", card))
    }
    return head + (read + _CALL[form] + _KNOWN + _GIVEN[form]).format(**files, name=kind.value)

"""When `.cuda()` becomes `.to()`: not where another method may be meant."""

import re

import pytest

from port.fix.fixing import fix_in_place, write_files

_MADE = re.compile("gearbox makes it|indexed by names")
BATCH = "class Batch:\n    def cuda(self):\n        self.x = self.x.cuda()\n        return self\n"
NETS = (
    "from torch import nn\nclass Base(nn.Module):\n    pass\nclass Net(Base):\n    pass\n"
    "class Odd(nn.Module):\n    def cuda(self, device=None):\n        return self\n"
    "class Odder(Odd):\n    pass\n"
)
STAYS = [
    "from data import Batch\nb = Batch().cuda()",
    "def f(batch):\n    return batch.cuda()",
    "for batch in loader:\n    batch.cuda()",
    "from nets import Odd\nm = Odd().cuda()",
    "from nets import Odder\nm = Odder()\nm.cuda()",
    "import nets\nm = nets.Odd()\nm.cuda(0)",
]
MOVES = [
    "x = torch.ones(2).cuda()",
    "x = torch.ones(2)\ny = (x + 1).cuda()",
    "from nets import Net\nm = Net().cuda()",
    "import nets\nm = nets.Net().eval()\nm = m.cuda()",
    "m = torch.nn.Linear(2, 2).cuda()",
    "m = torch.nn.Linear(2, 2)\nm.cuda()",
    "loss = torch.nn.CrossEntropyLoss().cuda()",
    "class Mine(torch.nn.Module):\n    def __init__(self):\n        super().__init__()\n"
    "        self.net = torch.nn.Linear(2, 2)\n        self.net.cuda()\n        self.cuda()",
]


def fixed(folder, text, **others):
    write_files(folder, {"a.py": "import torch\n" + text + "\n", **others})
    plan = fix_in_place(folder)
    return (folder / "a.py").read_text("utf-8"), plan


@pytest.mark.parametrize("text", STAYS)
def test_a_method_of_another_file_stays(tmp_path, text):
    new, plan = fixed(tmp_path, text, **{"data.py": "import torch\n" + BATCH, "nets.py": NETS})
    assert new == "import torch\n" + text + "\n"
    reasons = [p.reason for p in plan.left if p.file.endswith("a.py") and p.rule == "C001"]
    assert reasons and all(".to() would not call" in reason for reason in reasons)


@pytest.mark.parametrize("text", MOVES)
def test_what_is_evidently_of_pytorch_moves(tmp_path, text):
    new, _ = fixed(tmp_path, text, **{"data.py": "import torch\n" + BATCH, "nets.py": NETS})
    assert ".cuda(" not in new


@pytest.mark.parametrize(
    "given",
    [
        "import types\ndef go(self):\n    return self\nbatch.cuda = types.MethodType(go, batch)",
        "def move(self):\n    return self\nsetattr(Batch, 'cuda', move)",
        "class Batch:\n    cuda = lambda self: self",
        "class Batch:\n    if True:\n        def cuda(self):\n            return self",
    ],
)
def test_a_method_that_is_given_later(tmp_path, given):
    new, _ = fixed(tmp_path, "def f(b):\n    return b.cuda()", **{"other.py": given + "\n"})
    assert "b.cuda()" in new


@pytest.mark.parametrize(
    "given",
    [
        "args.cuda = not args.no_cuda and torch.cuda.is_available()",
        "class Config:\n    cuda: bool = True",
        "class Config:\n    cuda = True",
        "def cuda():\n    return 1",
    ],
)
def test_a_flag_of_that_name_is_no_method(tmp_path, given):
    new, _ = fixed(tmp_path, "def f(b):\n    return b.cuda()", **{"other.py": given + "\n"})
    assert "b.to(accel.device())" in new


@pytest.mark.parametrize(
    ("text", "moves"),
    [
        ("import gearbox\ng = gearbox.Graph()\ng.cuda()", False),
        ("from gearbox import Graph\ng = Graph().eval().cuda()", False),
        ("import timm\nm = timm.create_model('a').cuda()", True),
        ("from transformers import AutoModel\nm = AutoModel.from_pretrained('a').cuda()", True),
        ("import copy\nm = copy.deepcopy(net).cuda()", True),
        ("from mine import Net\nm = Net().cuda()", True),
        ("from .mine import Net\nm = Net().cuda()", True),
        ("for images, labels in loader:\n    images = images.cuda()", True),
        ("def f(db):\n    x = db['cuda']\n    db.cuda()\n    return x", False),
        ("def f(db):\n    db.cuda()\n    return db['rows']", False),
        ("def f(x):\n    return x[0], x.cuda()", True),
        ("def g(x):\n    return x['a']\ndef f(x):\n    return x.cuda()", True),
    ],
)
def test_what_another_package_makes(tmp_path, text, moves):
    new, plan = fixed(tmp_path, text, **{"mine.py": "class Net:\n    pass\n"})
    assert (".cuda()" not in new) == moves
    assert moves or any(_MADE.search(place.reason) for place in plan.left)

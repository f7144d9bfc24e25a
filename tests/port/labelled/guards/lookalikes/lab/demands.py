import contextlib
import sys

import torch

try:
    import apex  # ~ C063
except ImportError:
    raise ImportError("please install apex") from None


def demanded(x):
    assert torch.cuda.is_available()  # ~ C143
    return x.cuda()  # ~ C001


def raised(x):
    if not torch.cuda.is_available():  # ~ C143
        raise RuntimeError("needs a GPU")
    return x.cuda()  # ~ C001


def ended(x):
    if not torch.cuda.is_available():  # ~ C143
        sys.exit("needs a GPU")
    return x.cuda()  # ~ C001


class Case:
    def check(self, x):
        self.assertTrue(torch.cuda.is_available())  # ~ C143|C006
        return x.cuda()  # ~ C001


def caught_too_little(x):
    try:
        x = x.cuda()  # ~ C001
    except ValueError:
        pass
    with contextlib.suppress(KeyError):
        x = x.cuda()  # ~ C001
    return x


def caught_and_raised(x):
    try:
        x = x.cuda()  # ~ C001
    except (AssertionError, RuntimeError):
        print("no GPU")
        raise
    return x


def whole_job(model, batches):
    try:
        model.cuda()  # ~ C001
        for batch in batches:
            model(batch).backward()
        torch.cuda.synchronize()  # ~ C016
    except Exception as error:
        print(error)


def torch_is_everywhere(x):
    try:
        import torch as here

        x = x.cuda()  # ~ C001
    except ImportError:
        here = None
    return here, x


HAS_TORCH = True
if HAS_TORCH:
    start = torch.ones(2).cuda()  # ~ C001

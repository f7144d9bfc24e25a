import unittest

import pytest
import torch

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")  # ~ C006


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")  # ~ C006
def check_add():
    assert torch.ones(2).cuda().sum() == 2  # ~ C001:light C079?|C080?


@needs_gpu
class Checks:
    def check_wait(self):
        torch.cuda.synchronize()  # ~ C016:light


@unittest.skipUnless(torch.cuda.is_available(), "no GPU")  # ~ C006
class Suite(unittest.TestCase):
    def test_cache(self):
        torch.cuda.empty_cache()  # ~ C017:light


class Other(unittest.TestCase):
    @unittest.skipIf(torch.cuda.device_count() < 2, "needs two")  # ~ C007
    def test_two(self):
        torch.cuda.set_device(1)  # ~ C009:light

    def test_inside(self):
        if not torch.cuda.is_available():  # ~ C006
            self.skipTest("no GPU")
        torch.cuda.synchronize()  # ~ C016:light

    def test_raised(self):
        if not torch.cuda.is_available():  # ~ C006|C143
            raise unittest.SkipTest("no GPU")
        torch.cuda.synchronize()  # ~ C016:light


def only_with_cuda(test):
    return unittest.skipUnless(torch.cuda.is_available(), "no GPU")(test)  # ~ C006


@only_with_cuda
def check_cache():
    torch.cuda.empty_cache()  # ~ C017:light

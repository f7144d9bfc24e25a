import pytest
import torch


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs cuda")  # ~ C006:light
def test_cuda():
    x = torch.ones(2).cuda()  # ~ C001:light
    assert x.is_cuda  # ~ C011|C143:light
    assert x.sum().item() == 2  # ~ C077?


def test_cpu():
    assert torch.ones(2).sum() == 2  # ~ none C080?
    assert "cuda" in "cuda:0"  # ~ none C012?

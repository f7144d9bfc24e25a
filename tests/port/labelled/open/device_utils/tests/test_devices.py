from unittest import mock

import pytest
import torch


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs cuda")  # ~ C006:light
def test_move():
    x = torch.ones(3).cuda()  # ~ C001:light
    assert x.is_cuda  # ~ C143:light
    assert x.sum().item() == 3  # ~ C077:light


@mock.patch("torch.cuda.is_available", return_value=True)  # ~ none
def test_mocked(avail):
    assert avail() is True  # ~ none


def test_names():
    assert "cuda" != "cpu"  # ~ none
    monkey = {"torch.cuda.device_count": 4}  # ~ none
    assert monkey  # ~ none

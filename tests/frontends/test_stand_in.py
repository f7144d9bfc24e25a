"""One CUDA device played by the CPU: requests are met, all is put back, PyTorch hears the truth."""

import io
import threading

import pytest
import torch

from glia.frontends.torch.stand_in import standing_in

CPU = torch.device("cpu")
REQUESTS = {
    "cuda()": lambda: torch.ones(2).cuda(),
    "cuda(0)": lambda: torch.ones(2).cuda(0, non_blocking=True),
    "to text": lambda: torch.ones(2).to("cuda:0"),
    "to number": lambda: torch.ones(2).to(0),
    "to device": lambda: torch.ones(2).to(torch.device("cuda", 0), torch.float16),
    "zeros": lambda: torch.zeros(2, device="cuda"),
    "device number": lambda: torch.zeros(2, device=0),
    "like": lambda: torch.empty_like(torch.ones(2), device="cuda"),
    "new": lambda: torch.ones(2).new_zeros(2, device=f"cuda:{torch.cuda.current_device()}"),
    "old type": lambda: torch.cuda.FloatTensor(2),
    "type": lambda: torch.ones(2).type("torch.cuda.HalfTensor"),
    "pinned": lambda: torch.ones(2).pin_memory(),
    "made pinned": lambda: torch.empty(2, pin_memory=True),
    "draws": lambda: torch.rand(
        2, generator=torch.Generator(device="cuda").manual_seed(1), device="cuda"
    ),
    "state": lambda: torch.cuda.get_rng_state(),
    "module": lambda: torch.nn.Linear(2, 2).cuda().weight,
    "module to": lambda: torch.nn.Linear(2, 2).to(0, torch.float64).weight,
    "module on": lambda: torch.nn.LSTM(2, 2, device="cuda")(torch.ones(1, 2).cuda())[0],
    "parallel": lambda: torch.nn.DataParallel(torch.nn.Linear(2, 2)).cuda()(torch.ones(1, 2)),
}


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_tensors_are_on_the_cpu(request_):
    with standing_in() as machine:
        assert request_().device == CPU
    assert {line.file for line in machine.asked} <= {__file__}


def test_the_lines_that_ask_are_noted():
    with standing_in() as machine:
        layer = torch.nn.Linear(2, 2).to(0)
        for _ in range(3):
            layer(torch.zeros(1, 2, device=0))
        torch.cuda.synchronize()
    assert sorted(machine.asked.values()) == [1, 1, 3]


@pytest.mark.parametrize("location", ["cuda", "cuda:0", None, lambda storage, _: storage.cuda()])
def test_files_are_loaded_onto_the_cpu(location):
    file = io.BytesIO()
    torch.save(torch.ones(2), file)
    file.seek(0)
    with standing_in():
        assert torch.load(file, map_location=location).device == CPU


def test_defaults():
    with standing_in(), torch.device("cuda"):
        assert torch.ones(2).device == CPU
    with standing_in():
        torch.set_default_device("cuda")
        try:
            assert torch.ones(2).device == CPU
        finally:
            torch.set_default_device(None)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_casts_are_made_as_asked():
    x = torch.ones(2, 2)
    with standing_in():
        with torch.autocast("cuda"):  # CUDA's default is float16
            assert (x @ x).dtype == torch.float16
        with torch.cuda.amp.autocast(dtype=torch.bfloat16):
            assert (x @ x).dtype == torch.bfloat16


def test_streams_events_graphs_and_questions():
    with standing_in():
        stream, graph = torch.cuda.Stream(priority=-1), torch.cuda.CUDAGraph()
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        with torch.cuda.stream(stream), torch.cuda.device(0), torch.cuda.graph(graph):
            torch.cuda.current_stream().wait_stream(stream)
        torch.ones(2, device="cuda").record_stream(stream)
        graph.replay()
        end.record(stream)
        torch.cuda.synchronize()
        assert start.elapsed_time(end) > 0
        assert torch.cuda.is_available() and torch.cuda.device_count() == 1
        assert torch.cuda.get_device_capability() >= (7, 0)
        assert torch.cuda.get_device_properties(0).total_memory > 0
        assert torch.ones(2).cuda().is_cuda


def test_everything_is_put_back():
    before = {name: getattr(torch.cuda, name) for name in dir(torch.cuda)}
    others = (torch.load, torch.Generator, torch.nn.Module.to, torch.Tensor.record_stream)
    with pytest.raises(ZeroDivisionError), standing_in():
        raise ZeroDivisionError
    assert before == {name: getattr(torch.cuda, name) for name in dir(torch.cuda)}
    assert others == (torch.load, torch.Generator, torch.nn.Module.to, torch.Tensor.record_stream)
    with pytest.raises((AssertionError, RuntimeError)):
        torch.ones(2).cuda()


def test_other_threads_meet_pytorch_as_it_is():
    met = []

    def ask():
        try:
            torch.zeros(2, device="cuda")
        except (AssertionError, RuntimeError) as error:
            met.append(error)

    with standing_in():
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
    assert len(met) == 1

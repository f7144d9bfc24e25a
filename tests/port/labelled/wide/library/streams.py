"""Copies beside the computation, and clocks."""
import time

import torch
from torch.cuda import Event, Stream, current_stream, stream


class Prefetcher:
    def __init__(self, loader, device):
        self.loader = iter(loader)
        self.device = device
        self.stream = torch.cuda.Stream(device)  # ~ C024
        self.side = Stream(priority=-1)  # ~ C024
        self.preload()

    def preload(self):
        try:
            self.batch = next(self.loader)
        except StopIteration:
            self.batch = None
            return
        with torch.cuda.stream(self.stream):  # ~ C024
            self.batch = self.batch.to(self.device, non_blocking=True)  # ~ C034
        with stream(self.side):  # ~ C024
            self.other = self.batch * 2

    def next(self):
        torch.cuda.current_stream().wait_stream(self.stream)  # ~ C025
        batch = self.batch
        batch.record_stream(torch.cuda.current_stream())  # ~ C025
        self.side.synchronize()  # ~ C025|C016
        self.preload()
        return batch


class Timer:
    def __init__(self):
        self.start = torch.cuda.Event(enable_timing=True)  # ~ C026
        self.end = Event(enable_timing=True)  # ~ C026

    def __enter__(self):
        self.start.record()  # ~ C026?
        return self

    def __exit__(self, *_):
        self.end.record()  # ~ C026?
        torch.cuda.synchronize()  # ~ C016
        self.ms = self.start.elapsed_time(self.end)  # ~ C026?


def overlap(a, b):
    main = current_stream()  # ~ C025
    work = torch.cuda.Stream()  # ~ C024
    work.wait_stream(main)  # ~ C025
    done = torch.cuda.Event()  # ~ C026
    with torch.cuda.stream(work):  # ~ C024
        c = a @ b
        done.record(work)  # ~ C026? C025?
    main.wait_event(done)  # ~ C025
    torch.cuda.default_stream().wait_stream(work)  # ~ C025
    torch.cuda.set_stream(work)  # ~ C024|C025
    ext = torch.cuda.ExternalStream(0x1234)  # ~ C024
    ctx = torch.cuda.StreamContext(ext)  # ~ C024
    return c, ctx


def comm_stream(group):
    s = torch.cuda.Stream()  # ~ C024
    return torch.cuda.stream(s)  # ~ C024


def wall(fn):
    t0 = time.perf_counter()  # ~ none
    fn()
    return time.perf_counter() - t0  # ~ none


def pubsub(client):
    stream_name = "cuda-events"  # ~ none
    s = client.Stream(stream_name)  # ~ none
    s.wait_stream("x")  # ~ none C025?
    event = client.Event(enable_timing=True)  # ~ none
    return s, event


def generic():
    s = torch.Stream(device="cuda")  # ~ C003 C024?
    with torch.cuda.graph_pool_handle() as pool:  # ~ C027|C138
        return s, pool

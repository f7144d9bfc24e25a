import logging
import time

log = logging.getLogger(__name__)


class Clock:
    """Not a CUDA event: start(), synchronize(), elapsed_time()."""  # ~ none

    def synchronize(self):  # ~ none
        time.sleep(0)

    def record(self):  # ~ none
        return time.perf_counter()


class Pool:
    def empty_cache(self):  # ~ none
        self.items.clear()  # ~ none

    def memory_allocated(self):  # ~ none
        return sum(i.size for i in self.items)


def report(pool, clock):
    clock.synchronize()  # ~ none
    pool.empty_cache()  # ~ none
    log.info("torch.cuda.memory_allocated is not used: %d", pool.memory_allocated())  # ~ none
    stream = open("/dev/null", "w")  # ~ none
    stream.write("nvidia-smi would print here")  # ~ none
    event = {"Event": "cuda"}  # ~ none
    return event, clock.record()  # ~ none

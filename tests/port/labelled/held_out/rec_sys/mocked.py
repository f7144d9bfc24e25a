from unittest.mock import MagicMock, patch

import boto3
import redis

torch_like = MagicMock()  # ~ none


def fake():
    with patch("torch.cuda.synchronize") as p:  # ~ none
        p()  # ~ none
    torch_like.cuda.synchronize()  # ~ none
    torch_like.cuda.empty_cache()  # ~ none
    queue = redis.Redis()  # ~ none
    queue.set_("a", 1)  # ~ none
    stream = boto3.client("kinesis").current_stream()  # ~ none
    job = queue.pipeline().barrier()  # ~ none
    record = {"backend": "redis"}  # ~ none
    event = queue.Event(enable=True)  # ~ none
    return stream, job, record, event


class DataParallel:
    """Not torch's: runs rows in threads."""  # ~ none

    def __init__(self, rows):
        self.rows = rows


def run(rows):
    d = DataParallel(rows)  # ~ none
    autocast = str.upper  # ~ none
    return [autocast(r) for r in d.rows]  # ~ none

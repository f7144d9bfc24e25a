"""A class of one's own that casts, and questions for the class."""

import torch


class Loud(torch.cuda.amp.autocast):
    def __enter__(self):
        print("in")
        return super().__enter__()


with Loud():
    pass
a = torch.cuda.amp.autocast()
print(isinstance(a, torch.cuda.amp.autocast), isinstance(a, torch.autocast), type(a).__name__)

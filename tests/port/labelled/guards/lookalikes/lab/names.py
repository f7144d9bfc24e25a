import torch


def another_variable(x, has_model):
    usable = torch.cuda.is_available()  # ~ C006
    if has_model:
        x = x.cuda()  # ~ C001
    return usable, x


def given_again(x):
    ok = torch.cuda.is_available()  # ~ C006
    ok = True
    if ok:
        x = x.cuda()  # ~ C001
    return x


def a_parameter(x, usable):
    if usable:
        x = x.cuda()  # ~ C001
    return x


def a_loop(xs):
    first = torch.cuda.is_available()  # ~ C006
    for x in xs:
        if first:
            x.cuda()  # ~ C001
        first = True


def a_target(xs):
    for ok in (torch.cuda.is_available(), True):  # ~ C006
        if ok:
            xs = xs.cuda()  # ~ C001
    return xs


def outside():
    if torch.cuda.is_available():  # ~ C006

        def move(x):
            return x.cuda()  # ~ C001

    return move(torch.ones(2))


def widened(x):
    ok = torch.cuda.is_available()  # ~ C006
    ok |= x.ndim > 2
    if ok:
        x = x.cuda()  # ~ C001
    return x


def from_outside(x):
    ok = torch.cuda.is_available()  # ~ C006

    def allow():
        nonlocal ok
        ok = True

    allow()
    if ok:
        x = x.cuda()  # ~ C001
    return x


class Held:
    def __init__(self):
        self.fast = torch.cuda.is_available()  # ~ C006

    def force(self):
        self.fast = True

    def run(self, x):
        if self.fast:
            x = x.cuda()  # ~ C001
        return x

import torch


def otherwise(x):
    if torch.cuda.is_available():  # ~ C006
        pass
    else:
        x = x.cuda()  # ~ C001
    if not torch.cuda.is_available():  # ~ C006
        x = x.cuda()  # ~ C001
    return x


def other_question(x):
    if torch.backends.mps.is_available():
        x = x.to("mps")
    else:
        x = x.cuda()  # ~ C001
    return x if torch.backends.mps.is_available() else x.cuda()  # ~ C001


def one_is_enough(x, force):
    if force or torch.cuda.is_available():  # ~ C006
        x = x.cuda()  # ~ C001
    force or torch.cuda.is_available() or torch.cuda.synchronize()  # ~ C006 C016
    if not (force and torch.cuda.is_available()):  # ~ C006
        torch.cuda.empty_cache()  # ~ C017
    return x


def left_if_one(x, quick):
    if quick and not torch.cuda.is_available():  # ~ C006
        return x
    return x.cuda()  # ~ C001


def goes_on(x):
    if not torch.cuda.is_available():  # ~ C006
        print("slow")
    return x.cuda()  # ~ C001


def too_late(x):
    x = x.cuda()  # ~ C001
    if not torch.cuda.is_available():  # ~ C006
        return None
    return x


def left_where_it_is(x):
    if torch.cuda.is_available():  # ~ C006
        return x
    return x.cuda()  # ~ C001


def not_called(x):
    if torch.cuda.is_available:  # ~ C006
        x = x.cuda()  # ~ C001
    return x


def module_is_there(x):
    if getattr(torch, "cuda", None):  # ~ C138?
        x = x.cuda()  # ~ C001
    if hasattr(torch, "cuda"):
        x = x.cuda()  # ~ C001
    return x


def any_count(x):
    if torch.cuda.device_count() >= 0:  # ~ C007
        x = x.cuda()  # ~ C001
    if torch.cuda.device_count() == 0:  # ~ C007
        x = x.cuda()  # ~ C001
    return x


def match_others(device, x):
    match device.type:
        case "cuda":  # ~ C012
            pass
        case _:
            x = x.cuda()  # ~ C001
    match device.type:
        case "cpu" | "cuda":  # ~ C012
            torch.cuda.synchronize()  # ~ C016
    return x


def types(device, x):
    if device.type != "cpu":
        torch.cuda.synchronize()  # ~ C016
    if device.type in ("cpu", "cuda"):  # ~ C012
        torch.cuda.synchronize()  # ~ C016
    if not str(device).startswith("cuda"):  # ~ C012
        x = x.cuda()  # ~ C001
    return x


def ternary(x):
    return x if torch.cuda.is_available() else x.cuda()  # ~ C006 C001


def kept(xs):
    return [x.cuda() for x in xs if not torch.cuda.is_available()]  # ~ C006 C001


def ended(xs):
    while torch.cuda.is_available() and xs:  # ~ C006
        xs.pop()
    return torch.cuda.memory_allocated()  # ~ C018

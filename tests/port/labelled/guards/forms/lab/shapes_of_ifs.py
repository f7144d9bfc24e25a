import torch


def matched(device, x):
    match device.type:
        case "cuda":  # ~ C012
            torch.cuda.synchronize()  # ~ C016:light
        case "cpu":
            pass
    match torch.cuda.is_available():  # ~ C006
        case True:
            x = x.cuda()  # ~ C001:light
    match (device.type, x.ndim):
        case ("cuda", 2):  # ~ C012?
            torch.cuda.empty_cache()  # ~ C017:light
    return x


def left_by_return(x):
    if not torch.cuda.is_available():  # ~ C006
        return x
    return x.cuda()  # ~ C001:light


def left_by_continue(xs):
    for x in xs:
        if torch.cuda.is_available() is False:  # ~ C006
            continue
        x.cuda()  # ~ C001:light


def left_by_break(xs):
    for x in xs:
        if torch.cuda.device_count() == 0:  # ~ C007
            break
        x.cuda()  # ~ C001:light


def left_by_else(x):
    if torch.cuda.is_available():  # ~ C006
        print("fast")
    else:
        return x
    return x.cuda()  # ~ C001:light


def left_by_type(device, x):
    if device.type != "cuda":  # ~ C012
        return x
    torch.cuda.synchronize()  # ~ C016:light
    return x


def left_by_one_of_two(x, deep):
    if not deep or not torch.cuda.is_available():  # ~ C006
        return None
    return x.cuda()  # ~ C001:light


def left_inside_with(x):
    with torch.no_grad():
        if not (torch.cuda.is_available() and x.ndim):  # ~ C006
            return x
        y = x.cuda()  # ~ C001:light
    return y


def text(device):
    if str(device).startswith("cuda"):  # ~ C012
        torch.cuda.synchronize()  # ~ C016:light
    if device.type in ("cuda",):  # ~ C012
        torch.cuda.empty_cache()  # ~ C017:light
    if "cuda" in str(device):  # ~ C012
        torch.cuda.empty_cache()  # ~ C017:light


def built(x):
    if torch.version.cuda is not None:  # ~ C014
        x = x.cuda()  # ~ C001:light
    if torch.backends.cuda.is_built() and torch.cuda.is_available():  # ~ C006
        torch.cuda.synchronize()  # ~ C016:light
    return x


def compared(x):
    if bool(torch.cuda.is_available()) is True:  # ~ C006
        x = x.cuda()  # ~ C001:light
    if not not torch.cuda.is_available():  # ~ C006
        torch.cuda.synchronize()  # ~ C016:light
    if torch.cuda.device_count() >= 1:  # ~ C007
        torch.cuda.empty_cache()  # ~ C017:light
    if 0 < torch.cuda.device_count():  # ~ C007
        torch.cuda.empty_cache()  # ~ C017:light
    return x


def named(args, x):
    if args.cuda and torch.cuda.is_available():  # ~ C006
        x = x.cuda()  # ~ C001:light
    usable = torch.cuda.is_available()  # ~ C006
    usable = usable and not args.no_cuda
    if usable:
        torch.cuda.synchronize()  # ~ C016:light
    ok = False
    if torch.cuda.is_available():  # ~ C006
        ok = True
    if ok:
        torch.cuda.empty_cache()  # ~ C017:light
    return x.cuda() if usable and x.ndim > 1 else x  # ~ C001:light


def walrus(x):
    if (n := torch.cuda.device_count()) > 1:  # ~ C007
        torch.cuda.synchronize()  # ~ C016:light
    if n:
        torch.cuda.empty_cache()  # ~ C017:light
    return n


def while_there(xs):
    while torch.cuda.is_available() and xs:  # ~ C006
        xs.pop().cuda()  # ~ C001:light


def loops(xs):
    moved = [x.cuda() for x in xs if torch.cuda.is_available()]  # ~ C006 C001:light
    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]  # ~ C007 C021:light
    for i in range(torch.cuda.device_count()):  # ~ C007
        torch.cuda.set_device(i)  # ~ C009:light
    return moved, names


def asked_by_name(x):
    cuda = getattr(torch, "cuda", None)  # ~ C138?
    if cuda is not None and cuda.is_available():  # ~ C006 C138?
        x = x.cuda()  # ~ C001:light
    return x


def or_not(x):
    not torch.cuda.is_available() or torch.cuda.synchronize()  # ~ C006 C016:light
    flags = {"fast": torch.cuda.is_available()}  # ~ C006
    if flags["fast"]:
        x = x.cuda()  # ~ C001:light
    return x


if torch.cuda.is_available():  # ~ C006

    def wait():
        torch.cuda.synchronize()  # ~ C016:light

else:

    def wait():
        pass

"""Kernels in the styles of the public documentation that no other test has, against float64.

Shape suffixes: T tokens or positions, H hidden or heads, E experts, D head size, C channels.
"""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
import torch

import glia.nki as nki
import glia.nki.isa as nisa
import glia.nki.language as nl

RNG = np.random.default_rng(11)
BF16 = ml_dtypes.bfloat16


def normal(*shape, kind=np.float32):
    return RNG.standard_normal(shape).astype(kind)


def close(found, wanted, error):
    """The largest difference, over the largest value."""
    difference = np.abs(np.asarray(found, np.float64) - wanted).max()
    assert difference <= error * np.abs(wanted).max()


def softmax(x):
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def divided(x, by, kind):
    """A tile by a column, as another dtype."""
    inverse = nl.ndarray(by.shape, nl.float32, buffer=nl.sbuf)
    nisa.reciprocal(dst=inverse, data=by)
    made = nl.ndarray(x.shape, kind, buffer=nl.sbuf)
    nisa.tensor_scalar(dst=made, data=x, op0=nl.multiply, operand0=inverse)
    return made


@nki.jit
def flash(q, k, v, scale):
    d, sq = q.shape
    sk = k.shape[1]
    B = 128
    out = nl.ndarray((sq, d), q.dtype, buffer=nl.shared_hbm)
    for i in nl.affine_range(sq // B):
        qt = nl.ndarray((d, B), q.dtype, buffer=nl.sbuf)
        nisa.dma_copy(dst=qt, src=q[:, i * B : (i + 1) * B])
        m = nl.full((B, 1), -3e38, nl.float32, buffer=nl.sbuf)
        total = nl.zeros((B, 1), nl.float32, buffer=nl.sbuf)
        acc = nl.zeros((B, d), nl.float32, buffer=nl.sbuf)
        for j in nl.sequential_range(sk // B):
            kt = nl.ndarray((d, B), k.dtype, buffer=nl.sbuf)
            vt = nl.ndarray((B, d), v.dtype, buffer=nl.sbuf)
            nisa.dma_copy(dst=kt, src=k[:, nl.ds(j * B, B)])
            nisa.dma_copy(dst=vt, src=v[nl.ds(j * B, B), :])
            s = nl.ndarray((B, B), nl.float32, buffer=nl.psum)
            nisa.nc_matmul(dst=s, stationary=qt, moving=kt)
            ss = nl.ndarray((B, B), nl.float32, buffer=nl.sbuf)
            nisa.tensor_scalar(dst=ss, data=s, op0=nl.multiply, operand0=scale)
            if j == i:
                nisa.affine_select(
                    dst=ss,
                    pattern=[[-1, B]],
                    offset=0,
                    channel_multiplier=1,
                    on_true_tile=ss,
                    on_false_value=-3e38,
                    cmp_op=nl.greater_equal,
                )
            if j > i:
                continue
            mj = nl.ndarray((B, 1), nl.float32, buffer=nl.sbuf)
            nisa.tensor_reduce(dst=mj, op=nl.maximum, data=ss, axis=1)
            mn = nl.ndarray((B, 1), nl.float32, buffer=nl.sbuf)
            nisa.tensor_tensor(dst=mn, data1=m, data2=mj, op=nl.maximum)
            neg = nl.ndarray((B, 1), nl.float32, buffer=nl.sbuf)
            nisa.tensor_scalar(dst=neg, data=mn, op0=nl.multiply, operand0=-1.0)
            p = nl.ndarray((B, B), nl.bfloat16, buffer=nl.sbuf)
            lj = nl.ndarray((B, 1), nl.float32, buffer=nl.sbuf)
            nisa.activation_reduce(
                dst=p, op=nl.exp, data=ss, reduce_op=nl.add, reduce_res=lj, bias=neg
            )
            a = nl.ndarray((B, 1), nl.float32, buffer=nl.sbuf)
            nisa.activation(dst=a, op=nl.exp, data=m, bias=neg)
            nisa.scalar_tensor_tensor(
                dst=total, data=total, op0=nl.multiply, operand0=a, op1=nl.add, operand1=lj
            )
            pt = nl.ndarray((B, B), nl.bfloat16, buffer=nl.psum)
            nisa.nc_transpose(dst=pt, data=p)
            pts = nl.ndarray((B, B), nl.bfloat16, buffer=nl.sbuf)
            nisa.tensor_copy(dst=pts, src=pt)
            pv = nl.ndarray((B, d), nl.float32, buffer=nl.psum)
            nisa.nc_matmul(dst=pv, stationary=pts, moving=vt)
            nisa.scalar_tensor_tensor(
                dst=acc, data=acc, op0=nl.multiply, operand0=a, op1=nl.add, operand1=pv
            )
            nisa.tensor_copy(dst=m, src=mn)
        nisa.dma_copy(dst=out[i * B : (i + 1) * B, :], src=divided(acc, total, q.dtype))
    return out


@pytest.mark.parametrize("target", ["trn1", "trn2", "trn3"])
def test_causal_flash_attention(target):
    q, k, v = normal(64, 256, kind=BF16), normal(64, 256, kind=BF16), normal(256, 64, kind=BF16)
    wide_q, wide_k, wide_v = (t.astype(np.float64) for t in (q, k, v))
    scores = np.where(np.tril(np.ones((256, 256))) > 0, wide_q.T @ wide_k * 0.125, -np.inf)
    close(nki.simulate(flash, target=target)(q, k, v, 0.125), softmax(scores) @ wide_v, 1e-2)


@nki.jit
def moe(x, wr, w):  # x [T,H], wr [H,E], w [E,H] elementwise expert scale
    T, H = x.shape
    E = wr.shape[1]
    out = nl.ndarray((T, H), nl.float32, buffer=nl.shared_hbm)
    idx_out = nl.ndarray((T, 2), nl.uint32, buffer=nl.shared_hbm)
    xt = nl.ndarray((H, T), x.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=xt, src=x.ap([[1, H], [H, T]]))
    xs = nl.load(x)
    wt = nl.load(wr)
    lg = nl.ndarray((T, E), nl.float32, buffer=nl.psum)
    nisa.nc_matmul(lg, stationary=xt, moving=wt)
    sc = nl.ndarray((T, E), nl.float32, buffer=nl.sbuf)
    nisa.tensor_copy(sc, lg)
    mx = nl.ndarray((T, 8), nl.float32, buffer=nl.sbuf)
    ix = nl.ndarray((T, 8), nl.uint32, buffer=nl.sbuf)
    nisa.max8(dst=mx, src=sc)
    nisa.nc_find_index8(dst=ix, data=sc, vals=mx)
    neg = nl.ndarray((T, 1), nl.float32, buffer=nl.sbuf)
    nisa.tensor_scalar(neg, mx[:, 0:1], nl.multiply, -1.0)
    e = nl.ndarray((T, 2), nl.float32, buffer=nl.sbuf)
    tot = nl.ndarray((T, 1), nl.float32, buffer=nl.sbuf)
    nisa.activation(
        e,
        nl.exp,
        mx[:, 0:2],
        bias=neg,
        reduce_op=nl.add,
        reduce_res=tot,
        reduce_cmd=nisa.reduce_cmd.reset_reduce,
    )
    inv = nl.ndarray((T, 1), nl.float32, buffer=nl.sbuf)
    nisa.reciprocal(inv, tot)
    acc = nl.zeros((T, H), nl.float32, buffer=nl.sbuf)
    for kk in range(2):
        i32 = nl.ndarray((T, 1), nl.int32, buffer=nl.sbuf)
        nisa.tensor_copy(i32, ix[:, kk : kk + 1])
        rows = nl.ndarray((T, H), w.dtype, buffer=nl.sbuf)
        nisa.dma_copy(dst=rows, src=w.ap([[H, T], [1, H]], vector_offset=i32, indirect_dim=0))
        g = nl.ndarray((T, 1), nl.float32, buffer=nl.sbuf)
        nisa.tensor_tensor(g, e[:, kk : kk + 1], inv, nl.multiply)
        t = nl.ndarray((T, H), nl.float32, buffer=nl.sbuf)
        nisa.tensor_tensor(t, xs, rows, nl.multiply)
        nisa.scalar_tensor_tensor(acc, t, nl.multiply, g, nl.add, acc)
    nisa.dma_copy(out, acc)
    nisa.dma_copy(idx_out, ix[:, 0:2])
    return out, idx_out


@pytest.mark.parametrize("target", ["trn1", "trn2", "trn3"])
def test_top_two_experts_by_gather(target):
    x, router, experts = normal(64, 96), normal(96, 16), normal(16, 96)
    logits = x.astype(np.float64) @ router
    order = np.argsort(-logits, 1)[:, :2]
    gates = softmax(np.take_along_axis(logits, order, 1))
    found, numbers = nki.simulate(moe, target=target)(x, router, experts)
    assert np.array_equal(numbers, order)
    close(found, sum(gates[:, i : i + 1] * x * experts[order[:, i]] for i in range(2)), 1e-5)


@nki.jit
def rmsq(x, w):
    N, H = x.shape
    q = nl.ndarray((N, H), nl.float8_e4m3, buffer=nl.shared_hbm)
    sc = nl.ndarray((N, 1), nl.float32, buffer=nl.shared_hbm)
    wt = nl.ndarray((128, H), w.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=wt, src=w.ap([[0, 128], [1, H]]))
    for i in range(0, N, 128):
        n = min(128, N - i)
        t = nl.ndarray((128, H), nl.float32, buffer=nl.sbuf)
        nisa.dma_copy(dst=t[:n], src=x[i : i + n])
        sq = nl.ndarray((128, H), nl.float32, buffer=nl.sbuf)
        ms = nl.ndarray((128, 1), nl.float32, buffer=nl.sbuf)
        nisa.activation(
            sq[:n],
            nl.square,
            t[:n],
            reduce_op=nl.add,
            reduce_res=ms[:n],
            reduce_cmd=nisa.reduce_cmd.reset_reduce,
        )
        nisa.tensor_scalar(ms[:n], ms[:n], nl.multiply, 1.0 / H, op1=nl.add, operand1=1e-6)
        nisa.activation(ms[:n], nl.rsqrt, ms[:n])
        nisa.scalar_tensor_tensor(t[:n], t[:n], nl.multiply, ms[:n], nl.multiply, wt[:n])
        am = nl.ndarray((128, 1), nl.float32, buffer=nl.sbuf)
        nisa.tensor_reduce(am[:n], nl.maximum, nl.abs(t[:n]), axis=1)
        s = nl.ndarray((128, 1), nl.float32, buffer=nl.sbuf)
        nisa.tensor_scalar(s[:n], am[:n], nl.multiply, 1 / 240.0, op1=nl.maximum, operand1=1e-12)
        r = nl.ndarray((128, 1), nl.float32, buffer=nl.sbuf)
        nisa.reciprocal(r[:n], s[:n])
        qt = nl.ndarray((128, H), nl.float8_e4m3, buffer=nl.sbuf)
        nisa.tensor_scalar(qt[:n], t[:n], nl.multiply, r[:n])
        nisa.dma_copy(q[i : i + n], qt[:n])
        nisa.dma_copy(sc[i : i + n], s[:n])
    return q, sc


def test_rms_norm_quantised_by_row():
    x, w = normal(200, 160), normal(160)
    wide = x.astype(np.float64)
    exact = wide / np.sqrt((wide**2).mean(1, keepdims=True) + 1e-6) * w
    found, scale = nki.simulate(rmsq, target="trn2")(x, w)
    np.testing.assert_allclose(scale[:, 0], np.abs(exact).max(1) / 240, rtol=1e-5)
    rounded = (exact / (np.abs(exact).max(1, keepdims=True) / 240)).astype(found.dtype)
    steps = found.view(np.int8).astype(int) - rounded.view(np.int8)
    assert np.abs(steps).max() <= 1 and (steps != 0).mean() < 0.01  # ties of the last fp32 bit


@nki.jit
def splitk(a, b):  # a [K,M], b [K,N]
    K, M = a.shape
    N = b.shape[1]
    core = nl.program_id(0)
    half = K // 2
    out = nl.ndarray((M, N), nl.float32, buffer=nl.shared_hbm)
    ps = nl.ndarray((M, N), nl.float32, buffer=nl.psum)
    for k in range(half // 128):
        at = nl.load(a[nl.ds(core * half + k * 128, 128)])
        bt = nl.load(b[nl.ds(core * half + k * 128, 128)])
        nisa.nc_matmul(ps, at, bt)
    mine = nl.copy(ps)
    other = nl.ndarray((M, N), nl.float32, buffer=nl.sbuf)
    nisa.sendrecv(src=mine, dst=other, send_to_rank=1 - core, recv_from_rank=1 - core, pipe_id=0)
    nisa.tensor_tensor(mine, mine, other, nl.add)
    rows = M // 2
    nisa.dma_copy(out[nl.ds(core * rows, rows)], mine[nl.ds(core * rows, rows)])
    return out


def test_two_cores_share_the_contraction():
    a, b = normal(512, 128), normal(512, 256)
    close(nki.simulate(splitk, target="trn2")[2](a, b), a.T.astype(np.float64) @ b, 1e-5)


@nki.jit
def decode(q, kT, v, length):  # q [d,H], kT [d,S], v [S,d]
    d, H = q.shape
    S = kT.shape[1]
    out = nl.ndarray((H, d), nl.float32, buffer=nl.shared_hbm)
    qt = nl.load(q)
    kt = nl.load(kT)
    s = nl.ndarray((H, S), nl.float32, buffer=nl.psum)
    for j in range(S // 512):
        nisa.nc_matmul(s[:, j * 512 : (j + 1) * 512], qt, kt[:, j * 512 : (j + 1) * 512])
    L = nl.ndarray((H, 1), nl.float32, buffer=nl.sbuf)
    li = nl.ndarray((H, 1), nl.int32, buffer=nl.sbuf)
    nisa.dma_copy(li, length.ap([[0, H], [1, 1]]))
    nisa.tensor_copy(L, li)
    z = nl.zeros((H, 1), nl.float32, buffer=nl.sbuf)
    sm = nl.ndarray((H, S), nl.float32, buffer=nl.sbuf)
    mx = nl.ndarray((H, 1), nl.float32, buffer=nl.sbuf)
    nisa.range_select(
        dst=sm,
        on_true_tile=s,
        comp_op0=nl.greater_equal,
        comp_op1=nl.less,
        bound0=z,
        bound1=L,
        reduce_cmd=nisa.reduce_cmd.reset_reduce,
        reduce_res=mx,
        reduce_op=nl.maximum,
        range_start=0,
        on_false_value=-3.4028235e38,
    )
    neg = nl.ndarray((H, 1), nl.float32, buffer=nl.sbuf)
    nisa.tensor_scalar(neg, mx, nl.multiply, -1.0)
    p = nl.ndarray((H, S), nl.bfloat16, buffer=nl.sbuf)
    tot = nl.ndarray((H, 1), nl.float32, buffer=nl.sbuf)
    nisa.activation_reduce(p, nl.exp, sm, nl.add, tot, bias=neg)
    o = nl.ndarray((H, d), nl.float32, buffer=nl.psum)
    for j in range(S // 128):
        pt = nl.ndarray((128, H), nl.bfloat16, buffer=nl.psum)
        nisa.nc_transpose(pt, p[:, j * 128 : (j + 1) * 128])
        ps = nl.ndarray((128, H), nl.bfloat16, buffer=nl.sbuf)
        nisa.tensor_copy(ps, pt)
        vt = nl.load(v[j * 128 : (j + 1) * 128])
        nisa.nc_matmul(o, ps, vt)
    r = nl.ndarray((H, 1), nl.float32, buffer=nl.sbuf)
    nisa.reciprocal(r, tot)
    res = nl.ndarray((H, d), nl.float32, buffer=nl.sbuf)
    nisa.tensor_scalar(res, o, nl.multiply, r)
    nl.store(out, res)
    return out


@pytest.mark.parametrize("target", ["trn2", "trn3"])
def test_decoding_over_a_length_known_at_run_time(target):
    q, k, v, length = normal(64, 8, kind=BF16), normal(64, 1024), normal(1024, 64, kind=BF16), 700
    k = (0.2 * k).astype(BF16)
    scores = (q.astype(np.float64).T @ k.astype(np.float64))[:, :length]
    wanted = softmax(scores) @ v.astype(np.float64)[:length]
    found = nki.simulate(decode, target=target)(q, k, v, np.array([[length]], np.int32))
    close(found, wanted, 1e-2)


@nki.jit
def conv2d(x, w):  # x [C,H,W], w [C,3,3,O]
    H, W = x.shape[1:]
    outputs = w.shape[3]
    out = nl.ndarray((outputs, H - 2, W - 2), nl.float32, buffer=nl.shared_hbm)
    xt = nl.load(x)
    wt = nl.load(w)
    R = 8
    for r in range(0, H - 2, R):
        n = min(R, H - 2 - r)
        ps = nl.ndarray((outputs, R, W - 2), nl.float32, buffer=nl.psum)
        for i in range(3):
            for j in range(3):
                nisa.nc_matmul(
                    ps[:, 0:n, :],
                    stationary=wt[:, i, j, :],
                    moving=xt[:, r + i : r + i + n, j : j + W - 2],
                    accumulate=(i + j > 0),
                )
        st = nl.ndarray((outputs, R, W - 2), nl.float32, buffer=nl.sbuf)
        nisa.activation(st[:, :n], nl.relu, ps[:, :n])
        nisa.dma_copy(out[:, r : r + n, :], st[:, :n])
    return out


@pytest.mark.parametrize("target", ["trn1", "trn2"])
def test_convolution_by_shifted_products(target):
    x, w = normal(32, 19, 30), normal(32, 3, 3, 48)
    weight = torch.from_numpy(w).double().permute(3, 0, 1, 2)
    wanted = torch.relu(torch.nn.functional.conv2d(torch.from_numpy(x).double()[None], weight))
    close(nki.simulate(conv2d, target=target)(x, w), wanted[0].numpy(), 1e-5)

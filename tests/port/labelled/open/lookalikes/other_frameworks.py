import cv2
import jax
import jax.numpy as jnp
import onnxruntime as ort
import pandas as pd
import polars as pl
import tensorflow as tf


def run(frame):
    x = jnp.ones((3, 3), dtype=jnp.float64)  # ~ none
    y = jax.random.normal(jax.random.PRNGKey(0), (3,))  # ~ none
    s = jnp.sum(x).item()  # ~ none
    gpu = jax.devices("gpu")  # ~ none
    t = tf.cast(tf.constant([1.0]), tf.float16)  # ~ none
    with tf.device("/GPU:0"):  # ~ none
        z = tf.matmul(t, t)
    n = z.numpy()  # ~ none
    u = pd.Series([1, 2]).unique()  # ~ none
    v = frame["a"].tolist()  # ~ none
    w = frame.sort_values("a").to_numpy()  # ~ none
    col = pl.Series([1]).item()  # ~ none
    img = cv2.imread("a.png").astype("float64")  # ~ none
    cv2.cuda.getCudaEnabledDeviceCount()  # ~ none
    sess = ort.InferenceSession("m.onnx", providers=["CPUExecutionProvider"])  # ~ none
    tf.random.set_seed(1)  # ~ none
    return y, s, gpu, n, u, v, w, col, img, sess

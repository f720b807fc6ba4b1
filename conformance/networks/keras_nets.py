"""The Keras networks, written by Keras through tf2onnx."""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from compare import Found, along  # noqa: E402

layers = keras.layers


def _mlp(narrow: bool) -> keras.Model:
    width = 12 if narrow else 128
    x = inputs = keras.Input((7 if narrow else 30,))
    for activation in ("relu", "silu"):
        x = layers.Dense(width, activation=activation)(x)
        x = layers.BatchNormalization()(x)
        x = layers.Dropout(0.2)(x)
    x = layers.LayerNormalization()(x)
    return keras.Model(inputs, layers.Dense(3, activation="softmax")(x))


def _conv(narrow: bool) -> keras.Model:
    size, width = (16, 4) if narrow else (64, 32)
    x = inputs = keras.Input((size, size, 3))
    x = layers.Conv2D(width, 3, strides=2, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.Activation("swish")(x)
    x = layers.SeparableConv2D(2 * width, 3, padding="same", activation="relu")(x)
    x = layers.MaxPooling2D()(x)
    x = layers.add([x, layers.Conv2D(2 * width, 3, padding="same", activation="hard_silu")(x)])
    x = layers.DepthwiseConv2D(3, padding="same")(x)
    x = layers.ReLU(6.0)(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(5)(x))


NAMES = {"keras_mlp": _mlp, "keras_conv": _conv}


class Net:
    """A Keras network and two rows for it."""

    kinked = True

    def __init__(self, name: str, narrow: bool) -> None:
        keras.utils.set_random_seed(sum(map(ord, name)))
        self.name = name
        self.model = self._of(name, narrow, "float32")
        drawn = np.random.default_rng(5)
        for v in self.model.weights:
            # A variance stays positive.
            low = 0.5 if "variance" in v.path else 0.0
            v.assign(np.abs(v + 0.2 * drawn.standard_normal(v.shape)) + low if low else v + 0.2 * drawn.standard_normal(v.shape))
        self.double = self._of(name, narrow, "float64")
        self.double.set_weights([np.asarray(w, np.float64) for w in self.model.get_weights()])
        self.x = drawn.standard_normal((2, *self.model.input_shape[1:])).astype(np.float32)

    @staticmethod
    def _of(name: str, narrow: bool, precision: str) -> keras.Model:
        keras.config.set_dtype_policy(precision)
        try:
            return NAMES[name](narrow)
        finally:
            keras.config.set_dtype_policy("float32")

    def parameters(self) -> int:
        """How many numbers it learned."""
        return self.model.count_params()

    def export(self, path: str) -> None:
        """Writes the network."""
        self.model(self.x)
        self.model.export(path, format="onnx", verbose=False)

    def reference(self, x: np.ndarray, target: int, precision: str) -> Found:
        """TensorFlow's gradient, and the integral of it."""
        model: Any = self.double if precision == "float64" else self.model

        def call(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            point = tf.constant(x, precision)
            with tf.GradientTape() as tape:
                tape.watch(point)
                output = model(point, training=False)
                chosen = tf.reduce_sum(output[:, target])
            return output.numpy(), tape.gradient(chosen, point).numpy()

        return along(call, x.astype(precision))

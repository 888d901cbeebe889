"""InclinET's networks in Keras, as their authors built them."""

from __future__ import annotations

from typing import Any

import numpy as np

from spacer_like.regression.architectures import N_CHANNELS, architecture_of

_KERNEL = 3


def keras_network(keras: Any, name: str, size: int, n_classes: int | None, seed: int = 0) -> Any:
    """A network as a Sequential model of Keras.

    Args:
        keras: the package, as ``tensorflow.keras``.
        name: model4, model5 or model6.
        size: width and height of the images.
        n_classes: None: one number, by a tanh.
        seed: of the first weights, and of dropout.

    Raises:
        MessageError: there is none of this name, or it takes no images of this size.
    """
    layers, architecture = keras.layers, architecture_of(name, size)
    seeds = iter(np.random.SeedSequence(seed).generate_state(64).tolist())
    model = keras.Sequential([keras.Input((size, size, N_CHANNELS))])

    def begun() -> Any:
        return keras.initializers.GlorotUniform(seed=next(seeds))

    for block in architecture.blocks:
        for channels in block.channels:
            model.add(layers.Conv2D(channels, _KERNEL, activation="relu", kernel_initializer=begun()))
        if block.has_norm:
            model.add(layers.BatchNormalization())
        model.add(layers.MaxPooling2D(block.pool))
        if block.dropout:
            model.add(layers.Dropout(block.dropout, seed=next(seeds)))
    model.add(layers.Flatten())
    for units in architecture.units:
        model.add(layers.Dense(units, activation="relu", kernel_initializer=begun()))
    output = "softmax" if n_classes else "tanh"
    model.add(layers.Dense(n_classes or 1, activation=output, kernel_initializer=begun()))
    return model

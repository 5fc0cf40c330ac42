"""Reduces a small network in a process of its own and prints the SHA-256 of the result.

Usage: python reduce_and_hash.py SEED
"""

import hashlib
import sys

from export.network.layers import network_of
from tests.attacks.networks import network
from tests.export.reductions import reduce_on
from tests.export.small_networks import images_for


def main(seed: int) -> str:
    found = network_of(network(size=40), None, "it")  # of more positions than are sampled
    reduction = reduce_on(found, images_for(found, 12), target=2.0, seed=seed)
    return hashlib.sha256(reduction.model.SerializeToString()).hexdigest()


if __name__ == "__main__":
    sys.stdout.write(main(int(sys.argv[1])))

"""Benchmarks of networkx for the gallery: four operations at four sizes."""

import networkx as nx
import pytest

SIZES = [100, 400, 1_600, 6_400]


def random_graph(nodes):
    return nx.gnm_random_graph(nodes, 3 * nodes, seed=1)


@pytest.mark.parametrize("nodes", SIZES)
def test_build(benchmark, nodes):
    edges = list(random_graph(nodes).edges)
    benchmark(nx.Graph, edges)


@pytest.mark.parametrize("nodes", SIZES)
def test_copy(benchmark, nodes):
    benchmark(random_graph(nodes).copy)


@pytest.mark.parametrize("nodes", SIZES)
def test_components(benchmark, nodes):
    graph = random_graph(nodes)
    benchmark(lambda: list(nx.connected_components(graph)))


@pytest.mark.parametrize("nodes", SIZES)
def test_degree_of_one_node(benchmark, nodes):
    benchmark(random_graph(nodes).degree, 0)


@pytest.mark.parametrize("nodes", [100, 200, 400, 800])
def test_distances(benchmark, nodes):
    graph = random_graph(nodes)
    benchmark.pedantic(lambda: dict(nx.all_pairs_shortest_path_length(graph, cutoff=None)), rounds=1)

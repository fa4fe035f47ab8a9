# SPDX-License-Identifier: MIT
"""What deploy/ has, as it is: deploy/haproxy.cfg before three nodes, under load."""
import asyncio
import time

from cluster import Cluster, servers
from load import World
from chatd import Client, proves, run


class DeployedCluster(Cluster):
    def make_balancer(self, cut):
        return servers.DeployedHaProxy([node.port for node in self.nodes])


def cluster():
    return DeployedCluster.shared(settings=["drain=2s", "drain_timeout=10s"])


@proves("`shutdown` | true | this server is draining")
def test_rolling_restart_behind_the_file():
    """
    Each node is told to end, says its goodbyes over `drain`, and is started again. The balancer cuts nobody off before that, though
    the node does not listen any more; and whoever comes meanwhile is served by the others at once.
    """

    async def main():
        async with World(cluster()) as world:
            await asyncio.sleep(0.5)
            for node in world.cluster.nodes:
                began = time.monotonic()
                assert await world.do(node.stop) == 0
                took = time.monotonic() - began
                await world.do(node.start)
                print(f"# {node.name} said goodbye for {took:.1f} s")
                assert took >= 1, "the goodbyes were not spread"
                await asyncio.sleep(1)
            world.over()
            await world.check()
            assert world.ended("cut") == 0, f"{world.ended('cut')} connections ended without a word"
            assert world.ended("shutdown") >= len(world.users) / 2, "hardly anybody was told"
            assert world.total("unavailable") == world.total("refused") == 0

    asyncio.run(main())


@proves("A node that dies is not missed by those who are elsewhere.")
def test_a_dead_node_is_passed_over():
    """New connections find another node at once, and those that it had are cut off with it."""
    c = cluster()
    Cluster.hands.submit(c.nodes[0].kill).result()
    began = time.monotonic()
    for _ in range(30):
        client = Client(c.balancer.port)
        assert client.request("ping")["type"] == "pong"
        client.close()
    took = time.monotonic() - began
    print(f"# 30 connections while a node was dead took {took:.2f} s")
    assert took < 10


@proves("A node that dies is not missed by those who are elsewhere.")
def test_nodes_end_in_order():
    cluster().expect_alive()
    DeployedCluster.finish_shared()


if __name__ == "__main__":
    run(globals())

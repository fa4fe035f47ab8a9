# SPDX-License-Identifier: MIT
"""
200 users on three nodes talk while one thing at a time is killed, stopped or cut off. Nothing that was acknowledged is lost, doubled or
out of order; each receiver's stream, duplicates dropped, is the log; and soon after the fault everybody has everything.

CHAT_TEST_FAULTS_S: for how long the random ones go on (default 60). CHAT_TEST_SEED: which they are.
"""
import asyncio
import os
import random
import time

from cluster import LEASE_S, Cluster
from load import SEED, World
from chatd import proves, run

FAULTS_S = float(os.environ.get("CHAT_TEST_FAULTS_S", "60"))
UNDER_LOAD_S = 0.7  # before the blow
OUTAGE_S = 10
BUS_OUTAGE_S = 12  # chatd takes a bus that has been silent for 8 s for dead, and looks every 2 s


def live_through(fault, expect=lambda world: None, **keys):
    """Users talk, the fault happens, everything is checked; `expect` shows that it was felt at all."""

    async def main():
        random.seed(SEED)
        async with World(Cluster.shared(), **keys) as world:
            await asyncio.sleep(UNDER_LOAD_S)
            before = world.acked
            await fault(world)
            world.over()
            during = world.acked - before
            await world.check()
            print(f"# {during} sends were acknowledged during the fault")
            expect(world)

    asyncio.run(main())


async def outage(world, server, seconds):
    """Stopped, as if the machine or the network stood still, and continued."""
    server.pause()
    await asyncio.sleep(seconds)
    server.go_on()


async def absence(world, server, seconds):
    """Killed, and started again a moment later."""
    await world.do(server.kill)
    await asyncio.sleep(seconds)
    await world.do(server.start)


async def cut_bus(world, times=3):
    for _ in range(times):
        for kind in ("pubsub", "normal"):
            await world.do(world.cluster.redis_command, "CLIENT", "KILL", "TYPE", kind)
        await asyncio.sleep(0.4)


def expect_cut(world):
    assert world.ended("cut") > 0, "nobody noticed"


def expect_undisturbed(world):
    """Whoever was connected still is."""
    assert world.ended("cut") == 0, f"{world.ended('cut')} connections were cut"


def bus_losses():
    return Cluster.shared().log_count("event=bus_lost")


def expect_bus_lost_since(before):
    def expect(world):
        expect_undisturbed(world)
        assert all(now > then for now, then in zip(bus_losses(), before)), "a node did not notice that the bus was away"
        assert world.total("unavailable") == 0, "a send needs no bus"

    return expect


@proves("no matter which server they are on, whether they were offline, how slow they read, or what was restarted or cut off in between")
def test_chatd_is_killed_and_restarted():
    async def fault(world):
        for node in world.cluster.nodes:
            await absence(world, node, 0.5)
            await asyncio.sleep(1)

    live_through(fault, expect_cut, rate=600)


@proves("A session whose node is taken for dead is taken over elsewhere, and nothing of its is lost when the node goes on.")
def test_chatd_is_stopped_for_longer_than_its_lease():
    live_through(lambda world: outage(world, random.choice(world.cluster.nodes), LEASE_S * 2), expect_cut)


@proves("Redis away: sends still succeed; on reconnect the nodes subscribe again and sweep.")
def test_redis_is_killed_and_restarted():
    live_through(lambda world: absence(world, world.cluster.redis, 2), expect_bus_lost_since(bus_losses()))


@proves("A bus that is silent is noticed.")
def test_redis_is_stopped():
    live_through(lambda world: outage(world, world.cluster.redis, BUS_OUTAGE_S), expect_bus_lost_since(bus_losses()))


@proves("What is published while a node does not listen is made good.")
def test_redis_connections_are_cut():
    live_through(cut_bus, expect_bus_lost_since(bus_losses()))


def expect_unavailable(world):
    expect_undisturbed(world)
    assert world.total("unavailable") > 0, "nobody noticed"


@proves("MySQL away: sends get `unavailable`, nobody is disconnected, nothing in memory grows past its bound.")
def test_mariadb_is_killed_and_restarted():
    live_through(lambda world: absence(world, world.cluster.database, 2), expect_unavailable)


def expect_slow(world):
    expect_undisturbed(world)
    assert max(user.slowest_s for user in world.users) > OUTAGE_S / 2, "nobody noticed"


@proves("A store that stands still holds up what is asked of it, and nothing is lost.")
def test_mariadb_is_stopped():
    live_through(lambda world: outage(world, world.cluster.database, OUTAGE_S), expect_slow)


def expect_all_cut(world):
    assert world.ended("cut") >= len(world.everybody), "not everybody was cut off"


@proves("A balancer that dies takes all connections with it, and nothing else.")
def test_haproxy_is_restarted():
    live_through(lambda world: absence(world, world.cluster.balancer, 0.3), expect_all_cut)


async def while_on_the_way(world, blow):
    """The store stands still until everybody's sends are on the way; then the blow; then they are committed, and nobody hears of it."""
    world.cluster.database.pause()
    await asyncio.sleep(1)
    await blow
    world.cluster.database.go_on()


@proves("Sent twice, on any server, it is stored once; the second reply bears the first's `seq` and `time`, and `\"duplicate\":true`")
def test_connections_are_cut_while_sends_are_on_the_way():
    def expect(world):
        expect_all_cut(world)
        assert world.total("duplicates") > 0, "no cid was ever met again"

    live_through(lambda world: while_on_the_way(world, absence(world, world.cluster.balancer, 0.1)), expect)


@proves("An unknown outcome is resolved by `cid`.")
def test_chatd_is_killed_while_sends_are_on_the_way():
    async def fault(world):
        node = random.choice(world.cluster.nodes)
        await while_on_the_way(world, world.do(node.kill))
        await world.do(node.start)

    live_through(fault, expect_cut)


async def anything(world):
    """One fault after another, sometimes before the last is over for everybody."""
    cluster, until = world.cluster, time.monotonic() + FAULTS_S
    counts = {}
    faults = {
        "kill chatd": lambda: absence(world, random.choice(cluster.nodes), random.random() * 2),
        "stop chatd": lambda: outage(world, random.choice(cluster.nodes), random.random() * LEASE_S * 2),
        "kill redis": lambda: absence(world, cluster.redis, random.random()),
        "stop redis": lambda: outage(world, cluster.redis, random.choice((1, 5, 9))),
        "cut redis": lambda: cut_bus(world, 1),
        "kill mariadb": lambda: absence(world, cluster.database, random.random() * 2),
        "stop mariadb": lambda: outage(world, cluster.database, random.choice((1, 3, 8))),
        "kill haproxy": lambda: absence(world, cluster.balancer, random.random() * 0.5),
    }
    while time.monotonic() < until:
        name = random.choice(list(faults))
        counts[name] = counts.get(name, 0) + 1
        await faults[name]()
        await asyncio.sleep(random.random() * 1.5)
    print(f"# seed {SEED}: {', '.join(f'{count} x {name}' for name, count in sorted(counts.items()))}")


@proves("Nothing acknowledged is lost, nothing is out of order.")
def test_random_faults():
    live_through(anything)


@proves("A second SIGTERM, or the drain's timeout, is not needed to end a node that was through all this.")
def test_nodes_end_in_order():
    Cluster.finish_shared()


if __name__ == "__main__":
    run(globals())

# SPDX-License-Identifier: MIT
"""
Three nodes on a Galera cluster of two MariaDB servers, to both of which is written: what the one has committed the other refuses to
overwrite when it commits, or has not got yet when it is asked.
"""
import asyncio
import concurrent.futures
import os
import subprocess
import time

from cluster import Cluster, servers
from load import World
from chatd import Skip, eventually, proves, run

LAG_S = 1.5  # for which the second server does not apply what the first commits


class GaleraCluster(Cluster):
    """n0 and n2 write to the first server, n1 to the second; each goes to the other one where its own is gone."""

    def start_databases(self):
        first = servers.GaleraMember().start()
        first.make_database("chat")
        first.stop()  # so that its files may be copied
        second = servers.GaleraMember(first)
        return [first.start(), second.start()]

    def store_of(self, node):
        ports = [database.port for database in self.databases]
        if node == 1:
            ports.reverse()
        return f"mysql://root@{','.join(f'127.0.0.1:{port}' for port in ports)}/chat"

    def conflicts(self):
        """Transactions that a server has undone so far because the other had committed first."""
        return sum(int(database.status(f"wsrep_local_{what}")) for database in self.databases for what in ("cert_failures", "bf_aborts"))


def cluster():
    if not os.path.exists(servers.GaleraMember.PROVIDER):
        raise Skip("there is no galera-4 here")
    return GaleraCluster.shared(cut=False, settings=["drain=500ms"])


@proves("Nothing acknowledged is lost, nothing is out of order.")
def test_second_server_is_killed_and_joins_again():
    async def main():
        async with World(cluster()) as world:
            c = world.cluster
            first, second = c.databases
            await asyncio.sleep(2)
            before = c.conflicts()
            assert before > 0, "the two servers never met"
            await world.do(second.kill)
            await world.do(eventually, lambda: first.status("wsrep_cluster_size") == "1" and first.status("wsrep_ready") == "ON")
            await world.do(second.start)
            await world.do(c.nodes[1].stop)  # it stays with the server that it went to
            await world.do(c.nodes[1].start)
            joined, written = c.conflicts(), int(second.status("wsrep_replicated"))
            await asyncio.sleep(3)
            assert int(second.status("wsrep_replicated")) > written, "the second server is not written to any more"
            world.over()
            await world.check()
            print(f"# {before} transactions undone before, {c.conflicts() - joined} since the second is back")

    asyncio.run(main())


class Lag:
    """Meanwhile the second server answers, but does not apply what comes from the first."""

    def __init__(self, c):
        self.shell = subprocess.Popen(["mariadb", "--no-defaults", "-N", "-n", "-h127.0.0.1", f"-P{c.databases[1].port}", "-uroot"],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        self.shell.stdin.write("FLUSH TABLES WITH READ LOCK; SELECT 'locked';\n")
        self.shell.stdin.flush()
        assert self.shell.stdout.readline() == "locked\n"
        return self

    def __exit__(self, *unused):
        self.shell.communicate("UNLOCK TABLES;\n")


@proves("Clients stick to nothing: any node serves any user.")
def test_a_server_that_lags():
    """What one node has answered holds at another at once, though the store that it asks has yet to hear of it: then it waits."""
    c = cluster()
    with Lag(c):
        user = c.user(0)  # whom the second server does not know
        group = user.ok("group.create", name="new")["group"]["id"]
        client = c.nodes[1].client()
        began = time.monotonic()
        login = client.ask("login", token=user.token, replace=True)
        time.sleep(LAG_S)
    assert client.reply(login)["type"] == "ok"
    took = time.monotonic() - began
    assert took >= LAG_S, f"answered after {took:.2f} s by a server that could not know"
    assert [g["id"] for g in client.ok("groups")["groups"]] == [group]
    assert client.send(group, "here too") == 1
    print(f"# a login waited {took:.2f} s for a server that lagged for {LAG_S} s")


@proves("Every `ok` to a request that changes something is durable, as for `send` below.")
def test_joins_on_fresh_connections():
    """
    While nodes that have just begun prepare their statements others write to the same rows: whoever was told that they had joined
    is a member.
    """
    c = cluster()
    for _ in range(3):
        for node in c.nodes[1:]:
            Cluster.hands.submit(node.restart).result()
        owner = c.user(0)
        groups = [owner.ok("group.create", name="g")["group"]["id"] for _ in range(4)]
        guests = [c.user(i % 3) for i in range(24)]
        with concurrent.futures.ThreadPoolExecutor(len(guests)) as hands:
            for group in groups:
                list(hands.map(lambda guest, group=group: guest.ok("group.join", group=group), guests))
        for group in groups:
            there = c.query(f"SELECT COUNT(*) FROM member WHERE conversation={group}")
            counted = c.query(f"SELECT members FROM chat_group WHERE id={group}")
            assert there == counted == len(guests) + 1, f"{len(guests) + 1} were told, {there} are there, {counted} counted"


@proves("A node that dies is not missed by those who are elsewhere.")
def test_nodes_end_in_order():
    GaleraCluster.finish_shared()


if __name__ == "__main__":
    run(globals())

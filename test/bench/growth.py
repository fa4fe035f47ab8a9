# SPDX-License-Identifier: MIT
"""What each cost becomes as its cause grows tenfold. Each line is measured on servers and a store of its own."""
import resource
import statistics

from subjects import Chatd, Cluster, Relay, bench, print_table, share

LOAD = ["--users", 200, "--window", 16, "--ack", 16]
BEAT = ["--heartbeat", 30]


def most_connections():
    """A server's and a client's process need a descriptor for each, and some besides."""
    return 50000 if resource.getrlimit(resource.RLIMIT_NOFILE)[1] >= 51000 else 18000


def connections(_, count, seconds):
    with Chatd("sqlite") as subject:
        idle = bench(subject, "idle", "--users", count, *BEAT, "--seconds", seconds)
        subject.renew()
        busy = bench(subject, "pairs", *LOAD, "--crowd", count, *BEAT, "--seconds", seconds)
    return busy["cpu_delivery_us"], idle["logged_in_chatd_bytes"], idle["cpu_second_us"], idle["cpu_second_us"] / count


def members(_, count, seconds):
    """Beside the relay: the kernel's part grows, too, where there are more sockets than the processor's caches hold."""
    costs = []
    for make in (lambda: Chatd("sqlite"), Relay):
        with make() as subject:
            costs.append(bench(subject, "fanout", "--users", count, "--window", 4, "--ack", 16, "--seconds",
                               seconds)["cpu_delivery_us"])
    return costs


def conversations(_, count, seconds):
    with Chatd("sqlite") as subject:
        login = bench(subject, "login", "--users", 100, "--conversations", count)
        busy = bench(subject, "pairs", *LOAD, "--conversations", count, "--seconds", seconds)
    return login["cpu_login_us"], busy["cpu_delivery_us"]


def log(store, count, seconds):
    """
    In a thousand conversations, and the pages of one more, which is a tenth as long as all these. Marks are a cost of the users, not of the
    log: few are written.
    """
    with Chatd(store) as subject:
        busy = bench(subject, "pairs", "--users", 2000, "--window", 16, "--ack", 1024, "--before", count, "--seconds", seconds)
        pages = bench(subject, "history", "--users", 2, "--backlog", count // 10, "--window", 64)
    return busy["cpu_delivery_us"], *(pages[f"cpu_{where}_us"] for where in ("begin", "middle", "end"))


def backlog(store, count, _):
    with Chatd(store) as subject:
        result = bench(subject, "offline", "--users", 2, "--backlog", count, "--window", 64)
    return result["cpu_drained_us"], result["grown_chatd_bytes"] / 1024


def nodes(_, count, seconds):
    with Cluster(count) as subject:
        result = bench(subject, "pairs" if count == 1 else "cluster", *LOAD, "--seconds", seconds)
    return tuple(share(result, "cpu_delivery", process) for process in ("chatd", "mariadbd", "redis"))


TABLES = {
    connections: (["connections online", "message, W=16, µs", "memory of an idle one, bytes", "all idle ones, µs a second", "each, µs a second"],
                  {"sqlite": [1000, 10000, most_connections()]}),
    members: (["members online", "delivery, µs", "the relay's, µs"], {"sqlite": [10, 100, 1000, 10000]}),
    conversations: (["conversations of each user", "login by token, µs", "message, W=16, µs"], {"sqlite": [10, 100, 1000]}),
    log: (["messages in the log", "message, W=16, µs", "of a page at the beginning, µs", "in the middle, µs", "at the end, µs"],
          {"sqlite": [10**4, 10**5, 10**6, 10**7], "mariadb": [10**4, 10**5, 10**6]}),
    backlog: (["backlog of one user", "message drained, µs", "chatd's memory meanwhile, KiB more"],
              {"sqlite": [10**2, 10**3, 10**4, 10**5, 10**6], "mariadb": [10**2, 10**3, 10**4, 10**5]}),
    nodes: (["nodes", "message, W=16: chatd, µs", "mariadbd, µs", "redis, µs"], {"mariadb": [1, 2, 4]}),
}
NAMES = {measure.__name__: measure for measure in TABLES}


def tables(names, stores, rounds, seconds):
    for name in names:
        measure = NAMES[name]
        titles, sizes = TABLES[measure]
        for store in (store for store in stores if store in sizes):
            runs = {size: [] for size in sizes[store]}
            for _ in range(rounds):
                for size, done in runs.items():
                    done.append(measure(store, size, seconds))
            print(f"\n{store}:\n")
            print_table(titles, [(size, *map(statistics.median, zip(*done))) for size, done in runs.items()])

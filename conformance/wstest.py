"""Autobahn's `wstest` (Python 2.7), kept on the loopback interface.

As it comes, `wstest -m fuzzingserver` listens on every interface of the machine, and on a port that
has to be known beforehand. Here it listens on 127.0.0.1 and, for `ws://127.0.0.1:0`, on a free port;
the line `listening on 127.0.0.1:PORT` says which. The arguments are those of `wstest`.
"""

from __future__ import print_function

import sys

# Before anything of Twisted, because it chooses the reactor.
from autobahntestsuite import wstest
from twisted.internet import reactor

listen_tcp = reactor.listenTCP


def listen_on_loopback(port, factory, backlog=50, interface=""):
    listener = listen_tcp(port, factory, backlog, "127.0.0.1")
    port = listener.getHost().port
    # Autobahn refuses a handshake whose Host header names another port than the factory's.
    factory.port = factory.externalPort = port
    print("listening on 127.0.0.1:%d" % port)
    sys.stdout.flush()
    return listener


reactor.listenTCP = listen_on_loopback
wstest.run()

"""Runs a server of AWS's API for tests, on loopback only, and not longer than whoever started it.

    python run.py localstack|ministack

Standard input is the rope: it ends when whoever started this closes it or is killed, and then this and whatever it
started end at once."""

import os
import runpy
import signal
import sys
import threading


def end_with_the_starter():
    """Puts this and its children in a group of their own, and ends the group when standard input ends."""
    os.setpgid(0, 0)

    def watch():
        while os.read(0, 1024):
            pass
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def localstack():
    """LocalStack as a plain process. Its server forgets the host of `GATEWAY_LISTEN` for IPv4 and would let the whole
    network in, so that loopback becomes the default of the library that it listens with."""
    from twisted.internet import endpoints

    listen = endpoints.TCP4ServerEndpoint.__init__

    def on_loopback(self, reactor, port, backlog=50, interface=""):
        listen(self, reactor, port, backlog, interface or "127.0.0.1")

    endpoints.TCP4ServerEndpoint.__init__ = on_loopback

    from localstack.runtime.main import main

    main()


def ministack():
    """MiniStack; `BIND_HOST` keeps it on loopback."""
    sys.argv = ["ministack"]
    runpy.run_module("ministack", run_name="__main__", alter_sys=True)


end_with_the_starter()
{"localstack": localstack, "ministack": ministack}[sys.argv[1]]()

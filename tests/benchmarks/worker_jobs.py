"""What workers do in the tests."""

import os
from multiprocessing.connection import Connection


def echo(connection: Connection, word: str) -> None:
    while True:
        connection.send((word, connection.recv(), os.environ.get('A'), os.environ.get('B')))


def die(connection: Connection) -> None:
    connection.recv()
    os._exit(3)

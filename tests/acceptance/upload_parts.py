#!/usr/bin/env python3
"""One part of an upload, alone, in a process of its own.

    upload_parts.py hash FILE          sha256 of the file's bytes
    upload_parts.py write FILE TO      writes as many bytes to another file and makes them durable
    upload_parts.py receive BYTES      takes so many bytes from the first connection; prints its port first
    upload_parts.py send FILE PORT     sends the file's bytes there
    upload_parts.py post FILE PORT SHA uploads the file as a blob

Each but the last prints the CPU seconds (user and system) that it took; `post` prints the status and the seconds by the clock.
"""

import hashlib
import os
import socket
import sys
import time

PIECE_BYTES = 256 << 10
SEND_BYTES = 8 << 20


def cpu():
    spent = os.times()
    return spent.user + spent.system


def hash_alone(path):
    hasher, piece = hashlib.sha256(), bytearray(PIECE_BYTES)
    with open(path, "rb", buffering=0) as file:
        file.readinto(piece)
        count = os.fstat(file.fileno()).st_size // PIECE_BYTES
        began = cpu()
        # Reading the file is the sender's work: the same piece again costs the same.
        for _ in range(count):
            hasher.update(piece)
    return cpu() - began


def write_alone(path, to):
    count = os.path.getsize(path) // PIECE_BYTES
    piece = os.urandom(PIECE_BYTES)
    began = cpu()
    with open(to, "wb", buffering=0) as file:
        for _ in range(count):
            file.write(piece)
        os.fsync(file.fileno())
    spent = cpu() - began
    os.unlink(to)
    return spent


def receive_alone(count):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        connection, _ = listener.accept()
    piece = memoryview(bytearray(PIECE_BYTES))
    began, left = cpu(), int(count)
    with connection:
        while left > 0 and (got := connection.recv_into(piece, min(left, PIECE_BYTES))):
            left -= got
    return cpu() - began


def send(connection, path):
    with open(path, "rb") as file:
        at, size = 0, os.fstat(file.fileno()).st_size
        while at < size:
            at += os.sendfile(connection.fileno(), file.fileno(), at, min(SEND_BYTES, size - at))


def send_alone(path, port):
    began = cpu()
    with socket.create_connection(("127.0.0.1", int(port))) as connection:
        send(connection, path)
    return cpu() - began


def post(path, port, sha):
    began = time.monotonic()
    head = f"POST /api/blobs/sha256:{sha} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {os.path.getsize(path)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", int(port))) as connection:
        connection.sendall(head.encode())
        send(connection, path)
        answer = connection.recv(4096)
    return f"{answer.split(b' ')[1].decode()} {time.monotonic() - began}"


PARTS = {"hash": hash_alone, "write": write_alone, "receive": receive_alone, "send": send_alone, "post": post}

if __name__ == "__main__":
    print(PARTS[sys.argv[1]](*sys.argv[2:]), flush=True)

"""A door before a server on this machine: TLS, for clients that show a certificate of a known authority.

Usage: tls_door.py CERTIFICATE_AND_KEY AUTHORITY PORT. Prints the port that it listens on.
"""

import socket
import ssl
import sys
import threading


def pass_on(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    finally:
        try:
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def main(certificate, authority, port):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.load_verify_locations(authority)
    context.verify_mode = ssl.CERT_REQUIRED
    door = socket.create_server(("127.0.0.1", 0))
    print(door.getsockname()[1], flush=True)
    while True:
        client, _ = door.accept()
        try:
            client = context.wrap_socket(client, server_side=True)
        except (OSError, ssl.SSLError):
            continue
        server = socket.create_connection(("127.0.0.1", int(port)))
        for pair in ((client, server), (server, client)):
            threading.Thread(target=pass_on, args=pair, daemon=True).start()


main(*sys.argv[1:])

"""A reverse proxy that serves the daemon below a path, as Home Assistant's ingress and nginx's `proxy_pass http://.../;` do."""

import asyncio
import threading


class Proxy:
    """Takes the prefix off the path of each request, and passes everything else on; WebSockets too, unless it is to refuse them.

    `to_host` is where the daemon is, `own` the address that it connects from, `around` a page at `/` that frames the daemon's."""

    def __init__(self, prefix: str, to_port: int, sockets=True, to_host="127.0.0.1", own: str | None = None, around: str | None = None):
        self.prefix, self.to_port, self.sockets = prefix, to_port, sockets
        self.to_host, self.own, self.around = to_host, own, around
        self.loop = asyncio.new_event_loop()
        ready = threading.Event()
        threading.Thread(target=self._run, args=[ready], daemon=True).start()
        ready.wait()
        self.url = f"http://127.0.0.1:{self.port}{prefix}"

    def close(self):
        self.loop.call_soon_threadsafe(self.loop.stop)

    def _run(self, ready: threading.Event):
        asyncio.set_event_loop(self.loop)
        server = self.loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        self.loop.run_forever()
        # What is still open is closed while there is a loop to do it.
        server.close()
        left = asyncio.all_tasks(self.loop)
        for task in left:
            task.cancel()
        self.loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self.loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            line, _, rest = head.partition("\r\n")
            method, path, version = line.split(" ")
            is_socket = "upgrade: websocket" in rest.lower()
            if path == "/" and self.around:
                body = self.around.encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)
                await writer.drain()
                return
            if not path.startswith(self.prefix + "/") or (is_socket and not self.sockets):
                writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                await writer.drain()
                return
            # One request a connection, so that no later path has to be found in the stream.
            if not is_socket:
                rest = "Connection: close\r\n" + "\r\n".join(
                    one for one in rest.split("\r\n") if not one.lower().startswith("connection:")
                )
            rest = f"X-Ingress-Path: {self.prefix}\r\n{rest}"
            local = (self.own, 0) if self.own else None
            inner, out = await asyncio.open_connection(self.to_host, self.to_port, local_addr=local)
            out.write(f"{method} {path.removeprefix(self.prefix)} {version}\r\n{rest}".encode("latin-1"))
            await asyncio.gather(pipe(reader, out), pipe(inner, writer))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()

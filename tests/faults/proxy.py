"""A TCP proxy that cuts, hangs, delays and slices what passes between the server and PostgreSQL."""

import asyncio
import random
import threading

CHUNK = 65536


class Proxy:
    def __init__(self, port, target, seed):
        self.port, self.target = port, target
        self.mode, self.delay_s = "pass", 0.0
        self.random = random.Random(seed)
        self.loop = asyncio.new_event_loop()
        self.writers = set()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        asyncio.run_coroutine_threadsafe(asyncio.start_server(self._serve, "127.0.0.1", self.port), self.loop)
        self.thread.start()

    def _run(self):
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def stop(self):
        self.set("cut")
        asyncio.run_coroutine_threadsafe(self._finish(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)

    async def _finish(self):
        rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    def set(self, mode, delay_s=0.0):
        def change():
            self.mode, self.delay_s = mode, delay_s
            if mode == "cut":
                for writer in list(self.writers):
                    writer.transport.abort()

        self.loop.call_soon_threadsafe(change)

    async def _serve(self, reader, writer):
        if self.mode == "cut":
            writer.transport.abort()
            return
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        self.writers |= {writer, back}
        try:
            await asyncio.gather(self._pump(reader, back), self._pump(there, writer))
        except asyncio.CancelledError:
            # The end of the round; asyncio would print one that is let through.
            pass
        self.writers -= {writer, back}

    async def _pump(self, reader, writer):
        try:
            while data := await reader.read(CHUNK):
                # Also the bytes that were on their way when it began stay with us.
                while self.mode == "hang":
                    await asyncio.sleep(0.02)
                if self.mode == "delay":
                    await asyncio.sleep(self.random.uniform(0, self.delay_s))
                await self._pass_on(writer, data)
        except OSError:
            pass
        finally:
            writer.close()

    async def _pass_on(self, writer, data):
        while data:
            size = self.random.randint(1, 64) if self.mode == "slice" else len(data)
            writer.write(data[:size])
            await writer.drain()
            data = data[size:]
            if self.mode == "slice":
                await asyncio.sleep(0)
